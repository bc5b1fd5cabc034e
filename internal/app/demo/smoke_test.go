package demo
import ("testing";_ "embed";"math/rand/v2";"time";"os"
"github.com/headgate-dev/headgate/internal/translate"
"github.com/headgate-dev/headgate/internal/simulate"
)
func TestSmoke(t *testing.T){
 b,_:=os.ReadFile("experiment.yaml")
 p,err:=translate.Plan(b); if err!=nil{t.Fatal(err)}
 for _,c:=range []struct{n string;a,b,slow,fail float64}{{"better",.88,.96,0,0},{"same",.88,.88,0,0},{"worse",.88,.72,0,0},{"slow",.88,.96,.12,0},{"failing",.88,.96,0,.15}}{
 w:=&simulate.World{Units:6000,Rate:400,Answer:func(rng *rand.Rand,v,u int,a *simulate.Answer){
  acc:=c.a; if v==1{acc=c.b}
  a.Latency=2*time.Millisecond
  if v==1 && rng.Float64()<c.slow{a.Latency=500*time.Millisecond}
  if v==1 && rng.Float64()<c.fail{a.Failed=true;return}
  y:=0.0; if rng.Float64()<acc{y=1}
  d:=time.Second+time.Duration(rng.Int64N(int64(2*time.Second)))
  a.Outcomes=append(a.Outcomes,simulate.Outcome{"label",1,d},simulate.Outcome{"correct",y,d})
 }}
 n:=200
 m:=map[string]int{}; var took time.Duration; t0:=time.Now()
 for s:=range n{ r,err:=simulate.Run(p,w,uint64(s),s==0); if err!=nil{t.Fatal(err)}; m[string(r.Outcome)+" "+string(r.Reason.Code)]++; took+=r.Took
  if s<1 {for _,e:=range r.Entries{ d:=e.Decision; t.Log(e.Now.Sub(r.Entries[0].Now),d.Act,d.To,e.Holds,d.Reasons)}} }
 t.Log(c.n,m,took/time.Duration(n),"cpu/run",time.Since(t0)/time.Duration(n))
 }
}
