var g,Se,rt,D,ie,Y,Me,K,Ve,le,ae,it,U=Symbol.for("pv"),ee={},te=[],at=/^m(i|n|o|s|text|space)$/,ce=Array.isArray,Te=te.slice,j=Object.assign;function O(e){e&&e.
parentNode&&e.remove()}function Q(e,t,n,o,i){var r={type:e,props:t,key:n,ref:o,__k:null,__:null,__b:0,__e:null,__c:null,constructor:U,__v:i||++Se,__i:-1,__u:0};return!i&&g.vnode&&g.vnode(
r),r}function $(e){return e.children}function X(e,t){this.props=e,this.context=t,this.__g=0}function C(e,t){if(t==null)return e.__&&C(e.__,e.__i+1);for(var n;t<e.__k.
length;t++)if((n=e.__k[t])&&n.__e)return n.__e;return typeof e.type!="function"||e.props.__P?null:C(e)}function lt(e){var t,n=e.__v,o=n.__e,i=[],r=[],a=e.__P;a&&
((t=j({constructor:U},n)).__v=n.__v+1,g.vnode&&g.vnode(t),ue(a,t,n,e.__n,a.namespaceURI,32&n.__u?[o]:null,i,o||C(n),32&n.__u,r),t.__v=n.__v,t.__.__k[t.__i]=t,Oe(
i,t,r),n.__=n.__e=null,t.__e!=o&&De(t))}function De(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),De(e)}
function ke(e){(8&e.__g||(e.__g|=8,D.push(e),Y++))&&ie==g.debounceRendering||((ie=g.debounceRendering)||queueMicrotask)(Ce)}function Ce(){try{for(var e,t=1;D.length;)
D.length>t&&D.sort(Me),e=D.shift(),t=D.length,8&e.__g&&lt(e)}finally{(Y=D.length)&&(ie||queueMicrotask)(Ce)}}function Pe(e,t,n,o,i,r,a,c,u,d,p){var v,f,l,_,x,h,
y=o.__k||te,m=t.length;for(u=ct(n,t,y,u,m),v=0;v<m;v++)(l=n.__k[v])!=null&&(f=~l.__i&&y[l.__i]||ee,l.__i=v,h=ue(e,l,f,i,r,a,c,u,d,p),_=l.__e,(f.ref!=l.ref||8&f.
__u)&&(f.ref&&pe(f.ref,null,l,f),l.ref&&p.push(l.ref,l.__c||_,l)),x=x||_,4&l.__u?(u=Fe(l,u,e,!f.__v),f.__e&&(f.__e=null)):typeof l.type=="function"&&h!==void 0?
u=h:_&&(u=_.nextSibling),l.__u&=-21);return n.__e=x,u}function ct(e,t,n,o,i){var r,a,c,u,d,p,v,f,l,_=n.length,x=_,h=0,y=0,m=e.__k=Array(i);for(r=0;r<i;r++)(a=t[r])!=
null&&typeof a!="boolean"&&typeof a!="function"?(typeof a!="object"||a.constructor===String?a=m[r]=Q(null,a):ce(a)?a=m[r]=Q($,{children:a}):a.constructor===U&&a.
__b?a=m[r]=Q(a.type,a.props,a.key,a.ref,a.__v):m[r]=a,u=r+h,a.__=e,a.__b=e.__b+1,c=null,~(d=a.__i=ut(a,n,u,x))&&(x--,(c=n[d])&&(c.__u|=2)),c&&c.__v?(a.__u|=16,d==
u-1?h--:d==u+1?h++:d!=u&&(d>u?h--:h++,y=1)):(~d||(i>_?h--:i<_&&h++),typeof a.type!="function"&&(a.__u|=4))):m[r]=null;if(y){for(p=[],v=[],r=0;r<i;r++)if((a=m[r])&&
16&a.__u){for(h=0,f=p.length;h<f;)p[l=h+f>>1]<a.__i?h=l+1:f=l;p[h]=a.__i,v[r]=h+1}for(h=p.length;r--;)v[r]&&(v[r]==h?h--:m[r].__u|=4)}if(x)for(r=0;r<_;r++)!(c=n[r])||
2&c.__u||(c.__e==o&&(o=C(c)),de(c,c));return o}function Fe(e,t,n,o){var i,r,a,c;if(typeof e.type=="function"){if(e.props.__P)return t;if(i=e.__k)for(r=0;r<i.length;r++)
i[r]&&(i[r].__=e,t=Fe(i[r],t,n,!1));return t}for(t&&!t.parentNode&&(t=C(e))&&!t.parentNode&&(t=null),a=e.__e,c=t;c&&c.nodeType==8;)c=c.nextSibling;for(a!=c&&(!o&&
n.moveBefore&&a.parentNode?n.moveBefore(a,t):n.insertBefore(a,t||null)),t=a;(t=t&&t.nextSibling)&&t.nodeType==8&&!t.data.startsWith("$s"););return t}function ut(e,t,n,o){var i,r=e.key,a=e.type,c=t[n],u=c&&!(2&c.__u);if(c===null&&r==null||u&&r==c.key&&a==c.type)return n;if(o>(u?1:0)){for(i=n-1;i>=0;i--)if((c=
t[i])&&!(2&c.__u)&&r==c.key&&a==c.type)return i;for(i=n+1;i<t.length;i++)if((c=t[i])&&!(2&c.__u)&&r==c.key&&a==c.type)return i}return-1}function $e(e,t,n){n==null&&
(n=""),t[0]=="-"?e.setProperty(t,n):e[t]=n}function G(e,t,n,o,i){var r,a;if(t=="style")if(typeof n=="string")e.style.cssText=n;else{if(typeof o=="string"&&(e.style.
cssText=o=""),o)for(t in o)n&&t in n||$e(e.style,t);if(n)for(t in n)o&&n[t]==o[t]||$e(e.style,t,n[t])}else if(t[0]=="o"&&t[1]=="n")typeof n!="function"&&(n=null),
typeof o!="function"&&(o=null),(e.__e||(e.__e={}))[t]=n,n&&o||(a=ae[t]||(ae[t]=pt(t)),(e.__a||(e.__a={}))[t]=le,r=t!=(t=t.replace(Ve,"$1")),(t=t.slice(2))[0]<"a"&&
(t=t.toLowerCase()),n?e.addEventListener(t,a,r):e.removeEventListener(t,a,r));else{if(i=="http://www.w3.org/2000/svg")t=t.replace(/xlink(H|:h)/,"h").replace(/sName$/,
"s");else if(t!="width"&&t!="height"&&t!="href"&&t!="list"&&t!="form"&&t!="tabIndex"&&t!="download"&&t!="rowSpan"&&t!="colSpan"&&t!="role"&&t!="popover"&&t in e)
try{return void(e[t]=n??"")}catch{}if(typeof n=="function")return;n==null||n===!1&&t[4]!="-"?e.removeAttribute(t):e.setAttribute(t,t=="popover"&&n==1?"":n)}}function pt(e){
return function(t){var n=this.__e;if(n){if(n=n[e],t[K]==null)t[K]=le++;else if(t[K]<this.__a[e])return;return n(g.event?g.event(t):t)}}}function ue(e,t,n,o,i,r,a,c,u,d){
var p,v,f,l,_,x,h,y,m,k,b,re,xe,J,F,we,T,E,V=t.type;if(t.constructor!==U)return null;128&n.__u&&(u=32&n.__u,p=n.__c.__z)&&(t.__u|=u,v=r=[],p.nodeType==8?c=Z(p,r):
r.push(p),c=r[0]||c),(p=g.__b)&&p(t);e:if(typeof V=="function"){f=a.length;try{if(y=t.props,m=(p=V.prototype)&&p.render,k=(p=V.contextType)&&o[p.__c],b=p?k?k.props.
value:p.__:o,(l=n.__c)?(t.__c=l,2&l.__g&&(l.__g|=1)):(m?t.__c=l=new V(y,b):(t.__c=l=new X(y,b),l.constructor=V,l.render=_t),k&&k.sub(l),l.state||(l.state={}),l.
__n=o,l.__g|=8,l.__h=[],l.__k=[]),m&&(l.__s||(l.__s=l.state),V.getDerivedStateFromProps&&(l.__s==l.state&&(l.__s=j({},l.__s)),j(l.__s,V.getDerivedStateFromProps(
y,l.__s)))),_=l.props,x=l.state,l.__v=t,n.__c){if(y!==_&&m&&!V.getDerivedStateFromProps&&l.componentWillReceiveProps&&l.componentWillReceiveProps(y,b),t.__v==n.
__v&&!(8&l.__g)||!(4&l.__g)&&l.shouldComponentUpdate&&l.shouldComponentUpdate(y,l.__s,b)===!1){t.__v!=n.__v&&(l.props=y,l.state=l.__s,l.__g&=-9),t.__e=n.__e,t.__k=
n.__k,t.__k.some(function(S){S&&(S.__=t)}),te.push.apply(l.__h,l.__k),l.__k=[],l.__h.length&&a.push(l),c=C(n);break e}l.componentWillUpdate&&l.componentWillUpdate(
y,l.__s,b),m&&l.componentDidUpdate&&l.__h.push(function(){l.componentDidUpdate(_,x,h)})}else m&&!V.getDerivedStateFromProps&&l.componentWillMount&&l.componentWillMount(),
m&&l.componentDidMount&&l.__h.push(l.componentDidMount);l.context=b,l.props=y,l.__P=e,l.__g&=-5,re=g.__r,xe=m?25:0;do l.__g&=-9,re&&re(t),p=l.render(l.props,l.state=
l.__s,l.context);while(8&l.__g&&++xe<25);m&&(te.push.apply(l.__h,l.__k),l.__k=[]),l.state=l.__s,l.getChildContext&&(o=j({},o,l.getChildContext())),m&&n.__c&&l.getSnapshotBeforeUpdate&&
(h=l.getSnapshotBeforeUpdate(_,x)),J=p&&p.type===$&&p.key==null?p.props.children:p,y.__P&&(p=c,i=(e=y.__P).namespaceURI,u=r=null,n.props&&n.props.__P!=e&&(n.__k.
some(function(S){S&&de(S,S)}),n.__k=null),c=n.__k?C(n,0):null),c=Pe(e,ce(J)?J:[J],t,n,o,i,r,a,c,u,d),y.__P&&(t.__e=null,c=p),t.__u&=-161,v&&v.some(O),l.__h.length&&
a.push(l),1&l.__g&&(l.__g&=-4)}catch(S){if(a.length=f,t.__v=null,u||r)if(S&&S.then){if(t.__u|=128|u,r){for(~(T=r.indexOf(c||void 0))||(T=r.length);(E=r[T-1])&&E.
nodeType==8;)T--;for(;T<r.length;T++)if(E=r[T])if(r[T]=null,F){if(E==we)break}else{if(E.nodeType!=8)break;E.data.startsWith("$s")&&(we=Z(F=E))}}if(!F){for(;c&&c.
nodeType==8&&c.nextSibling;)c=c.nextSibling;F=c}(p=Z(F=t.__c.__z||(t.__c.__z=F)))?(t.__e=F,c=p):t.__e=c,c=c&&c.nextSibling}else r&&r.some(O);else t.__e=n.__e;t.
__k||(t.__k=n.__k||[]),S&&S.then||Ee(t),g.__e(S,t,n)}}else c=t.__e=dt(n.__e,t,n,o,i,r,a,u,d,e);return(p=g.diffed)&&p(t),c}function Z(e,t){if(e&&e.nodeType==8&&e.
data.startsWith("$s"))for(var n=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith("$s"))n++;else if(e.data.startsWith("/$s")&&!--n)return e}t&&t.push(e)}}
function Ee(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(Ee))}function Oe(e,t,n){for(var o=0;o<n.length;)pe(n[o++],n[o++],n[o++]);g.__c&&g.__c(t,e),e.some(function(i){
try{e=i.__h,i.__h=[],e.some(function(r){r.call(i)})}catch(r){g.__e(r,i.__v)}})}function dt(e,t,n,o,i,r,a,c,u,d){var p,v,f,l,_,x,h,y,m=n.props||ee,k=t.props,b=t.
type;if(b=="svg"?i="http://www.w3.org/2000/svg":b=="math"?i="http://www.w3.org/1998/Math/MathML":i||(i="http://www.w3.org/1999/xhtml"),r){for(p=0;p<r.length;p++)
if((_=r[p])&&(b?_.localName==b:_.nodeType==3)){e=_,r[p]=null;break}}if(!e){if(y=d.ownerDocument||document,!b)return y.createTextNode(k);e=y.createElementNS(i,b,
k.is?k:d),c&&(g.__m&&g.__m(t,r),c=!1),r=null}if(b){if(d=b=="template"&&e.content||e,r=b=="textarea"&&k.defaultValue!=null?null:r&&Te.call(d.childNodes),!c&&r)for(m=
{},p=0;p<e.attributes.length;p++)m[(_=e.attributes[p]).name]=_.value;for(p in m)_=m[p],p=="dangerouslySetInnerHTML"?f=_:p=="children"||p in k||p=="value"&&"defa\
ultValue"in k||p=="checked"&&"defaultChecked"in k||G(e,p,null,_,i);for(p in k)_=k[p],p=="children"?l=_:p=="dangerouslySetInnerHTML"?v=_:p=="value"?x=_:p=="check\
ed"?h=_:c&&typeof _!="function"||m[p]===_||G(e,p,_,m[p],i);v?(c||f&&(v.__html==f.__html||v.__html==e.innerHTML)||(e.innerHTML=v.__html),t.__k=[]):(f&&(e.textContent=
""),(b=="foreignObject"||i=="http://www.w3.org/1998/Math/MathML"&&at.test(b))&&(i="http://www.w3.org/1999/xhtml"),Pe(d,ce(l)?l:[l],t,n,o,i,r,a,r?r[0]:n.__k&&C(n,
0),c,u),r&&r.some(O)),c&&b!="textarea"||(p="value",b=="progress"&&x==null?e.removeAttribute(p):x==null||x===e[p]&&(b!="progress"||x)||G(e,p,x,m[p],i),p="checked",
h!=null&&h!=e[p]&&G(e,p,h,m[p],i))}else m===k||c&&e.data==k||(e.data=k);return e}function pe(e,t,n,o){try{typeof e=="function"?t?t.__x=e(t)||1:o&&(o=o.__c||o.__e)&&
(t=o.__x)&&(o.__x=null,typeof t=="function"?t():e(null)):e.current=t}catch(i){g.__e(i,n)}}function de(e,t,n){var o,i,r,a;if(g.unmount&&g.unmount(e),!(o=e.ref)||
o.current&&o.current!=e.__e||pe(o,null,t,e),o=e.__c){if(o.componentWillUnmount)try{o.componentWillUnmount()}catch(c){g.__e(c,t)}o.__P=o.__n=null}if(o=e.__k)for(a=
0;a<o.length;a++)o[a]&&de(o[a],t,typeof e.type!="function"||n&&!e.props.__P);!n&&(o=e.__c)&&(o=o.__z)&&(i=Z(o,r=[]))&&(o==e.__e&&r.some(O),O(i),O(o)),n||O(e.__e),
e.__e=e.__c=e.__=null}function _t(e,t,n){return this.constructor(e,n)}function je(e,t){var n,o,i,r;g.__&&g.__(e,t),t.nodeType==9&&(t=t.documentElement),o=(n=e&&
32&e.__u)?null:t.__k,t.__k=Q($,{children:[e]}),i=[],r=[],ue(t,t.__k,o||ee,ee,t.namespaceURI,o?null:t.firstChild?Te.call(t.childNodes):null,i,o?o.__e:t.firstChild,
n,r),Oe(i,t.__k,r),t.__k.props.children=null}g={__e:function(e,t,n,o){for(var i,r,a;t=t.__;)if((i=t.__c)&&!(1&i.__g)){i.__g|=4;try{if((a=(r=i.constructor)&&r.getDerivedStateFromError)&&i.setState(r.getDerivedStateFromError(
e)),i.componentDidCatch&&(i.componentDidCatch(e,o||{}),a=1),a&&8&i.__g)return void(i.__g|=2)}catch(c){e=c}}throw Y=0,e}},Se=0,rt=function(e){return e!=null&&e.constructor===
U},X.prototype.setState=function(e,t){var n=this.__s;n&&n!=this.state||(n=this.__s=j({},this.state)),typeof e=="function"&&(e=e(j({},n),this.props)),e&&(j(n,e),
this.__v&&(t&&this.__k.push(t),ke(this)))},X.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),ke(this))},X.prototype.render=$,D=[],Y=
0,Me=function(e,t){return e.__v.__b-t.__v.__b},K=Symbol(),Ve=/(PointerCapture)$|Capture$/i,le=0,ae={},it=0;var P=e=>(e.namespace?`${e.namespace}/`:"")+e.name,W=e=>e.role==="objective",L=e=>e.condition==="done";function Ae(e,t){let n=0;return{...e,at:new Date(t.at).toISOString(),
elapsedSeconds:t.elapsed,stage:{...e.stage,progress:t.progress,elapsedSeconds:t.stage},verdict:t.sentence===void 0?e.verdict:{...e.verdict,sentence:t.sentence},
versions:e.versions.map((o,i)=>{let[r,a,c,u]=t.versions[i]??[null,null,null,null];return{...o,share:r??o.share,seen:a??void 0,units:c??o.units,requests:u??o.requests}}),
findings:e.findings?.map(o=>{if(W(o))return o;let i=t.comparisons?.[n++];if(!i)return o;let[r,a,c,u]=i;return{...o,estimate:r??void 0,interval:a!==null&&c!==null?
{low:a,high:c}:void 0,n:u??o.n}})}}var q=new URLSearchParams(location.search).get("name"),Re=q?`?name=${encodeURIComponent(q)}`:"",_e=`v1/experiment${Re}`,ne=5e3,mt=2e4;async function He(e){let t=await fetch(
e,{cache:"no-store",signal:AbortSignal.timeout(ne)});if(!t.ok)throw new Error(t.statusText);let n=Date.parse(t.headers.get("Date")??""),o=Date.now()-n-500;return{
body:await t.json(),skew:Math.abs(o)>1500?o:0}}function Ne(e){let t={mode:"connecting",skew:0},n=i=>(e(t={...t,...i}),t),o=async()=>{try{if(q)return Le({...t},n);
let{body:i,skew:r}=await He("v1/experiments"),a=i.items??[];if(a.length===1)return Le(n({view:a[0],skew:r,list:void 0}),n);n({mode:"polling",list:a,skew:r})}catch{
n({mode:"lost"})}setTimeout(o,ne)};o()}function Le(e,t){let n=0,o=u=>e=t(u),i=u=>{clearTimeout(n),n=0,o({mode:"live",...u})},r=async()=>{try{let{body:u,skew:d}=await He(
_e),p=!e.view||u.plan!==e.view.plan||u.at>=e.view.at;o({skew:d,...n?{mode:"polling"}:{},...p?{view:u}:{}})}catch{n&&e.mode!=="ended"&&o({mode:"lost"})}},a=()=>{
if(n)return;let u=async()=>{await r(),n&&(n=setTimeout(u,ne))};n=setTimeout(u,0)},c=()=>{let u=new EventSource(`v1/experiment/events${Re}`);u.addEventListener("\
view",d=>i({view:JSON.parse(d.data)})),u.addEventListener("tick",d=>{e.view&&i({view:Ae(e.view,JSON.parse(d.data))})}),u.addEventListener("end",()=>o({mode:"end\
ed"})),u.onerror=()=>{e.mode==="live"&&o({mode:"lost"}),a(),u.readyState===EventSource.CLOSED&&setTimeout(c,mt)}};c(),e.view||r(),setTimeout(()=>{e.mode==="conn\
ecting"&&a()},ne)}var me=e=>e!==void 0&&Number.isFinite(e),Ue=e=>e.replace("-","−");function w(e,t=1){return me(e)?`${Ue((100*e).toFixed(t))}%`:"–"}function I(e,t=1){if(!me(e))return"–";let n=(100*e).toFixed(t);return Ue(Number(n)>0?`+${n}`:
n)}function R(e){return e.toString().replace(/\B(?=(\d{3})+$)/g,",")}function se(e){return me(e)?e<.01?`${(1e3*e).toFixed(1)} ms`:e<1?`${(1e3*e).toFixed(0)} ms`:
`${e.toFixed(2)} s`:"–"}function H(e){let t=Math.max(0,Math.floor(e));return t<60?`${t} s`:t<3600?`${Math.floor(t/60)} m ${t%60} s`:t<86400?`${Math.floor(t/3600)}\
 h ${Math.floor(t%3600/60)} m`:`${Math.floor(t/86400)} d ${Math.floor(t%86400/3600)} h`}function A(e){return new Date(e).toLocaleTimeString("en-GB")}function he(e,t){
return t<864e5?A(e):new Date(e).toLocaleString("en-GB",{day:"numeric",month:"short",hour:"2-digit",minute:"2-digit"})}function We(e){return e>=1e6?e.toExponential(
0).replace("e+","e"):e>=100?R(Math.round(e)):e.toPrecision(2)}function B(e){let t=10**Math.floor(Math.log10(e));for(let n of[1,2,5,10])if(n*t>=e*(1-1e-9))return n*
t;return 10*t}var ht=Symbol.for("pv"),ft=0;function s(e,t,n,o,i,r){t||(t={});var a,c,u=t;if("ref"in u&&typeof e!="function")for(c in u={},t)c=="ref"?a=t[c]:u[c]=t[c];var d={type:e,props:u,key:n,ref:a,__k:null,
__:null,__b:0,__e:null,__c:null,constructor:ht,__v:--ft,__i:-1,__u:0};return(i||r)&&(d.__source=i,d.__self=r),g.vnode&&g.vnode(d),d}var qe={better:["▲","good"],met:["✓","good"],"not worse":["≈","good"],worse:["▼","bad"],violated:["✕","bad"],untrustworthy:["!","warn"]};function z(e){
return qe[e]?.[1]??"neutral"}function oe({status:e}){return s("span",{class:`status ${z(e)}`,children:[s("span",{"aria-hidden":"true",children:qe[e]?.[0]??"○"}),
" ",e]})}function Ie(e){switch(e){case"any time":return"valid at any time";case"at looks":return"valid at looks";default:return"no error rate claimed"}}function gt(e){let t=e.flatMap(n=>[n.interval?.low??0,n.interval?.high??0,1.2*(n.limit??0)]);return B(Math.max(...t.map(Math.abs))||.1)}function Be({view:e}){let t=(e.
findings??[]).filter(i=>!W(i)),n=e.versions[0]?.name??"the baseline",o=gt(t);return e.versions.length<2?null:s("section",{class:"panel","aria-labelledby":"compa\
risons",children:[s("h2",{id:"comparisons",children:["Difference to ",n]}),t.length===0&&s("p",{class:"empty",children:"Nothing is compared: the plan has no rew\
ard and no guardrail."}),t.map(i=>s(vt,{f:i,reach:o},i.version+i.role+i.metric)),t.length>0&&s(bt,{reach:o,margins:t.some(i=>i.limit)})]})}var M=(e,t)=>`${50+50*
Math.max(-1,Math.min(1,e/t))}%`;function vt({f:e,reach:t}){let n=e.interval?`${I(e.estimate)} points, ${w(e.level,3).replace(/\.?0+%/,"%")} interval ${I(e.interval.
low)} to ${I(e.interval.high)}`:"no matured outcomes yet";return s("div",{class:"finding",children:[s("p",{class:"row",children:[s("b",{children:[e.version,": ",
e.question]}),s(oe,{status:e.status})]}),s(yt,{f:e,reach:t,label:`${e.metric} of ${e.version}: ${n}`}),s("p",{class:"row numbers",children:[s("span",{children:n}),
s("span",{class:"quiet",children:[Ie(e.guarantee),", ",R(e.n)," ",e.basis]})]})]})}function yt({f:e,reach:t,label:n}){let o=Math.abs(e.limit??0),i=z(e.status);return s(
"svg",{class:"plot",height:"44",role:"img","aria-label":n,children:[o>0&&s($,{children:[s("rect",{class:"band",x:M(-o,t),width:`${100*o/t}%`,y:"0",height:"44"}),
s("line",{class:"margin",x1:M(-o,t),x2:M(-o,t),y1:"0",y2:"44"}),s("line",{class:"margin",x1:M(o,t),x2:M(o,t),y1:"0",y2:"44"})]}),s("line",{class:"zero",x1:"50%",
x2:"50%",y1:"0",y2:"44"}),e.interval&&s("g",{class:`whisker ${i}`,children:[s("line",{x1:M(e.interval.low,t),x2:M(e.interval.high,t),y1:"22",y2:"22"}),s("line",
{x1:M(e.interval.low,t),x2:M(e.interval.low,t),y1:"14",y2:"30"}),s("line",{x1:M(e.interval.high,t),x2:M(e.interval.high,t),y1:"14",y2:"30"}),e.estimate!==void 0&&
s("circle",{cx:M(e.estimate,t),cy:"22",r:"6"})]})]})}function bt({reach:e,margins:t}){let n=e<.04?1:0;return s($,{children:[s("svg",{class:"axis",height:"20","a\
ria-hidden":"true",children:[s("line",{x1:"0",x2:"100%",y1:"0.5",y2:"0.5"}),[-1,-.5,0,.5,1].map(o=>s("g",{children:[s("line",{x1:`${50+50*o}%`,x2:`${50+50*o}%`,
y1:"0",y2:"5"}),s("text",{x:`${50+50*o}%`,y:"17","text-anchor":o===-1?"start":o===1?"end":"middle",children:[I(o*e,n),o===1?" points":""]})]},o))]}),s("p",{class:"\
note",children:["Line: zero, no difference.",t&&" Shaded: smaller than the effect that matters."]})]})}var Je={start:"●",advance:"▲",hold:"▬",rollback:"▼",promote:"★",stop:"■",pause:"‖",resume:"▶",retry:"↻"},Ge={rollback:"bad",promote:"good"},ze=e=>e.
split("/").map(t=>Number.parseFloat(t)/100||0);function Ke({view:e}){return s("section",{class:"panel","aria-labelledby":"decisions",children:[s("h2",{id:"decis\
ions",children:"Decisions"}),e.versions.length>1&&s(wt,{view:e}),s("ol",{class:"decisions",reversed:!0,children:[...e.decisions].reverse().map(t=>s(xt,{d:t},t.at+
t.code))})]})}function xt({d:e}){return s("li",{class:"decision",children:[s("time",{dateTime:e.at,children:A(e.at)}),s("span",{class:`act ${Ge[e.act]??"going"}`,
children:[s("span",{"aria-hidden":"true",children:Je[e.act]??"◆"})," ",e.act]}),s("span",{class:"shift",children:e.from===e.to?e.to:`${e.from} → ${e.to}`}),
s("span",{class:"why",children:[e.reasons.join("; ")," ",s("span",{class:"quiet code",children:e.code})]})]})}var fe=16,N=72;function wt({view:e}){let t=e.decisions,
n=Date.parse(t[0]?.at??e.at),o=Math.max(Date.parse(e.at),Date.parse(t[t.length-1]?.at??e.at),n+1e3),i=u=>2+96*(Date.parse(u)-n)/(o-n),r=u=>fe+(N-fe)*(1-u),a=t.map(
u=>`${A(u.at)} ${u.act} to ${u.to}`).join(", "),c=e.versions.slice(1).map((u,d)=>d+1);return s("svg",{class:"strip",height:N+18,role:"img","aria-label":`Share o\
f the candidates over time: ${a}`,children:[s("line",{class:"grid",x1:"2%",x2:"98%",y1:r(1),y2:r(1)}),s("line",{class:"grid",x1:"2%",x2:"98%",y1:r(.5),y2:r(.5)}),
s("line",{class:"base",x1:"2%",x2:"98%",y1:r(0),y2:r(0)}),t.map(u=>s("line",{class:"rule",x1:`${i(u.at)}%`,x2:`${i(u.at)}%`,y1:fe,y2:N},u.at)),c.flatMap(u=>t.map(
(d,p)=>{let v=t[p+1],f=ze(d.to)[u]??0,l=ze(d.from)[u]??0,_=`${i(d.at)}%`,x=v?`${i(v.at)}%`:"98%";return s("g",{class:`step v${u}`,children:[s("line",{x1:_,x2:_,
y1:r(l),y2:r(f)}),s("line",{x1:_,x2:x,y1:r(f),y2:r(f)})]},`${u} ${d.at}`)})),t.map(u=>s("text",{class:`glyph ${Ge[u.act]??"going"}`,x:`${i(u.at)}%`,y:"11","text\
-anchor":"middle",children:Je[u.act]??"◆"},u.at)),s("text",{class:"tick",x:"2%",y:N+15,children:he(n,o-n)}),s("text",{class:"tick",x:"98%",y:N+15,"text-anchor":"\
end",children:he(o,o-n)}),s("text",{class:"tick",x:"50%",y:N+15,"text-anchor":"middle",children:["share of ",e.versions.slice(1).map(u=>u.name).join(", "),", 0 \
to 100%"]})]})}var Qe=e=>e.health.ok?L(e)?2:1:0;function Xe({views:e,lost:t}){document.title=`${e.length} experiments · Headgate`;let n=[...e].sort((o,i)=>Qe(o)-Qe(i)||P(o).localeCompare(
P(i)));return s($,{children:[s("header",{children:[s("span",{class:"brand",children:"Headgate"}),s("h1",{children:[e.length," experiments"]}),s("span",{class:`c\
onnection ${t?"lost":"polling"}`,children:s("span",{class:"mode",children:t?"connection lost":"asked every 5 s"})})]}),s("main",{children:s("section",{class:"pa\
nel scroll","aria-label":"Experiments",tabIndex:0,children:[s("table",{class:"list",children:[s("thead",{children:s("tr",{children:[s("th",{scope:"col",children:"\
experiment"}),s("th",{scope:"col",children:"verdict"}),s("th",{scope:"col",children:"stage"}),s("th",{scope:"col",class:"n",children:"candidates"}),s("th",{scope:"\
col",children:"evidence"})]})}),s("tbody",{children:n.map(o=>s("tr",{children:[s("th",{scope:"row",children:s("a",{href:`?name=${encodeURIComponent(P(o))}`,children:P(
o)})}),s("td",{class:"sentences",children:o.verdict.sentence}),s("td",{children:o.stage.name}),s("td",{class:"n",children:w(o.versions.slice(1).reduce((i,r)=>i+
r.share,0),0)}),s("td",{children:s("span",{class:`status ${o.health.ok?"good":"warn"}`,children:o.health.ok?"ok":"not to be trusted"})})]},P(o)))})]}),n.length===
0&&s("p",{class:"empty",children:"No experiment runs here."})]})})]})}function kt(e){if(!e.health.ok)return"warn";switch(e.verdict.outcome){case"promoted":case"objectives-met":return"good";case"rolled-back":case"objectives-violate\
d":return"bad";case void 0:case"":return e.condition==="paused"?"warn":"going";default:return"neutral"}}function Ze({view:e}){let{sentence:t}=e.verdict,n=t.indexOf(
"  "),o=n<0?"":t.slice(0,n),i=n<0?t:t.slice(n);return s("section",{class:`verdict ${kt(e)}`,"aria-label":"Verdict",children:[s("p",{class:"sentence",id:"verdict",
children:[s("strong",{children:o}),i]}),s(St,{view:e}),s($t,{view:e})]})}var ge={key:"",text:""};function $t({view:e}){let t=e.verdict,n=[e.condition,e.stage.number,
e.stage.step,t.outcome,e.health.ok,e.decisions.length].join();return n!==ge.key&&(ge={key:n,text:t.sentence}),s("p",{class:"unseen",role:"status","aria-live":"p\
olite",children:ge.text})}function St({view:e}){let t=e.stage,n=t.steps>1?`, step ${t.step} of ${t.steps}`:"";return s("div",{class:"progress",children:[s("div",
{class:"track",role:"progressbar","aria-label":"Stage","aria-valuemin":0,"aria-valuemax":100,"aria-valuenow":Math.round(100*t.progress),children:Array.from({length:t.
of},(o,i)=>{let r=i+1<t.number?1:i+1===t.number?t.progress:0;return s("span",{class:"stage",children:s("span",{class:"filled",style:{width:`${100*r}%`}})},i)})}),
s("p",{children:[s("span",{children:["stage ",t.number," of ",t.of,": ",s("b",{children:t.name})," (",t.kind,")",n]}),s("span",{children:["reason ",s("span",{class:"\
code",children:e.verdict.code})]}),s("span",{class:"numbers",children:[w(t.progress,0)," after ",H(t.elapsedSeconds),", ",H(e.elapsedSeconds)," in all"]})]})]})}
function Ye({health:e}){let t=`sample-ratio e-value ${We(e.mismatchEValue)}, alarm at 1,000`;return e.ok?s("p",{class:"health",id:"health",children:[s("span",{class:"\
status good",children:"evidence ok"})," ",t]}):s("div",{class:"banner warn",id:"health",role:"alert",children:[s("b",{children:"The evidence cannot be trusted n\
ow."})," Do not use the numbers below; they raise no share and promote nothing.",s("ul",{children:(e.trouble??[]).map(n=>s("li",{children:n},n))}),s("span",{class:"\
small",children:t})]})}var ye=({index:e})=>s("span",{class:`swatch v${e}`,"aria-hidden":"true"});function et({view:e}){let t=L(e);return s("section",{class:"panel","aria-labelledby":"\
versions",children:[s("h2",{id:"versions",children:"Versions"}),s("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"versions",children:s("table",
{class:"versions",children:[s("thead",{children:s("tr",{children:[s("th",{scope:"col",children:"version"}),s("th",{scope:"col",class:"bar",children:s("span",{class:"\
unseen",children:"share as a bar"})}),s("th",{scope:"col",class:"n",children:"share asked"}),s("th",{scope:"col",class:"n",children:t?"seen before":"seen"}),s("\
th",{scope:"col",class:"n",children:"units"}),s("th",{scope:"col",class:"n",children:"requests"}),s("th",{scope:"col",class:"n",children:"errors"}),s("th",{scope:"\
col",class:"n",children:"p50"}),s("th",{scope:"col",class:"n",children:"p95"}),s("th",{scope:"col",class:"n",children:"p99"}),s("th",{scope:"col",class:"n",children:"\
reward"}),s("th",{scope:"col",class:"n",children:"95%, one look"})]})}),s("tbody",{children:e.versions.map((n,o)=>s(Mt,{v:n,index:o,done:t},n.name))})]})})]})}function Mt({
v:e,index:t,done:n}){let o=n?void 0:e.seen;return s("tr",{children:[s("th",{scope:"row",children:[s(ye,{index:t}),e.name," ",s("span",{class:"role",children:e.role})]}),
s("td",{class:"bar",children:s("svg",{class:"share",height:"22","aria-hidden":"true",children:[s("rect",{class:"rail",x:"0",y:"6",width:"100%",height:"10",rx:"3"}),
s("rect",{class:`fill v${t}`,x:"0",y:"6",width:`${100*e.share}%`,height:"10",rx:"3"}),o!==void 0&&s("line",{class:"seen",x1:`${100*o}%`,x2:`${100*o}%`,y1:"1",y2:"\
21",children:s("title",{children:"seen"})})]})}),s("td",{class:"n strong",children:w(e.share)}),s("td",{class:"n",children:w(e.seen)}),s("td",{class:"n",children:R(
e.units)}),s("td",{class:"n",children:R(e.requests)}),s("td",{class:"n",children:w(e.errorRate,2)}),s("td",{class:"n",children:se(e.p50Seconds)}),s("td",{class:"\
n",children:se(e.p95Seconds)}),s("td",{class:"n",children:se(e.p99Seconds)}),s("td",{class:"n strong",children:w(e.reward?.value,2)}),s("td",{class:"n quiet",children:e.
reward?`${w(e.reward.low,2)} to ${w(e.reward.high,2)}`:"–"})]})}function tt({view:e}){let t=(e.findings??[]).filter(W),n=[...new Set(t.map(o=>o.question))];return s("section",{class:"panel","aria-labelledby":"objectives",children:[
s("h2",{id:"objectives",children:"Objectives"}),n.length===0&&s("p",{class:"empty",children:"The plan has no objectives."}),n.map(o=>s(Dt,{question:o,rows:t.filter(
i=>i.question===o),view:e},o))]})}function Vt(e,t){let[,n]=e.split(" <= ");return!n||n.endsWith("%")?"":`requests over ${n}, at most ${w(t,2).replace(/\.?0+%/,"\
%")} of all`}function Tt(e,t){let n=e[0]?.limit??0,o=e.flatMap(a=>[a.estimate??n,a.interval?.low??n,a.interval?.high??n]);if(t){let a=Math.min(Math.max(1-Math.min(
...o),1.2*(1-n)),Math.max(4*(1-n),1.2*(1-Math.min(n,...e.map(c=>c.estimate??1)))));return[Math.max(0,1-B(Math.max(a,1e-4))),1]}let i=e.map(a=>a.estimate??0),r=Math.
min(Math.max(...o,2*n),Math.max(4*n,1.2*Math.max(...i)));return[0,B(Math.max(r,1e-4))]}var nt=(e,t,n)=>2+96*(e-t)/(n-t);function Dt({question:e,rows:t,view:n}){
let o=e.includes(" >= "),[i,r]=Tt(t,o),a=t[0]?.limit,c=Vt(e,a),u=a===void 0?void 0:nt(a,i,r),d=p=>w(p,2).replace(/\.?0+%/,"%");return s("div",{class:"objective",
children:[s("p",{class:"row",children:[s("b",{children:e}),s("span",{class:"quiet",children:c})]}),s("table",{children:[s("thead",{class:"unseen",children:s("tr",
{children:[s("th",{scope:"col",children:"version"}),s("th",{scope:"col",children:"plot"}),s("th",{scope:"col",children:"estimate"}),s("th",{scope:"col",children:"\
interval"}),s("th",{scope:"col",children:"status"})]})}),s("tbody",{children:[t.map(p=>s("tr",{children:[s("th",{scope:"row",children:[s(ye,{index:n.versions.findIndex(
v=>v.name===p.version)}),p.version]}),s("td",{class:"wide",children:s(Ct,{f:p,from:i,to:r,least:o})}),s("td",{class:"n strong",children:w(p.estimate,2)}),s("td",
{class:"n interval",children:p.interval?`${w(p.interval.low,2)} to ${w(p.interval.high,2)}`:"–"}),s("td",{class:"s",children:s(oe,{status:p.status})})]},p.version)),
s("tr",{class:"scale","aria-hidden":"true",children:[s("td",{}),s("td",{class:"wide",children:s("svg",{class:"axis",height:"16",children:[!(u<22)&&s("text",{x:"\
2%",y:"12","text-anchor":"start",children:d(i)}),!(u>78)&&s("text",{x:"98%",y:"12","text-anchor":"end",children:d(r)}),a!==void 0&&s("text",{x:`${u}%`,y:"12","t\
ext-anchor":u<10?"start":u>90?"end":"middle",children:["limit ",d(a)]})]})}),s("td",{colSpan:3})]})]})]})]})}function Ct({f:e,from:t,to:n,least:o}){let i=c=>nt(
c,t,n),r=c=>`${Math.max(0,Math.min(100,i(c)))}%`,a=e.limit??n;return s("svg",{class:"plot small",height:"24","aria-hidden":"true",children:[s("rect",{class:"for\
bidden",x:o?0:r(a),width:o?r(a):`${100-i(a)}%`,y:"0",height:"24"}),s("line",{class:"limit",x1:r(a),x2:r(a),y1:"0",y2:"24"}),e.interval&&s("g",{class:`whisker ${z(
e.status)}`,children:[s("line",{x1:r(e.interval.low),x2:r(e.interval.high),y1:"12",y2:"12"}),i(e.interval.low)>=0&&s("line",{x1:r(e.interval.low),x2:r(e.interval.
low),y1:"7",y2:"17"}),i(e.interval.high)<=100&&s("line",{x1:r(e.interval.high),x2:r(e.interval.high),y1:"7",y2:"17"}),e.estimate!==void 0&&s("circle",{cx:r(e.estimate),
cy:"12",r:"4.5"})]})]})}var Pt=30;function Ft(e,t){let n=Math.max(0,(t-Date.parse(e.at))/1e3),o=L(e);return{age:n,final:o,old:!o&&n>Pt}}function st({state:e,now:t}){let n=e.view;if(e.list)
return s(Xe,{views:e.list,lost:e.mode==="lost"});if(!n)return s(Et,{state:e});let o=Ft(n,t),i=P(n),r=n.verdict.sentence.split("  ")[0],a=n.health.ok?"":"untrust\
ed";return document.title=`${r} · ${i} · Headgate`,s($,{children:[s("header",{children:[s("span",{class:"brand",children:q?s("a",{href:"./",children:"Headgate"}):
"Headgate"}),s("h1",{children:i}),s("span",{class:"plan",title:`plan ${n.plan}`,children:["plan ",n.plan.slice(0,8)]}),s(jt,{state:e,fresh:o})]}),s("main",{class:o.
old?"old":void 0,children:[s(Ze,{view:n}),s(Ye,{health:n.health}),s("div",{class:"results",children:[s("div",{class:a,children:s(et,{view:n})}),s("div",{class:"\
columns",children:[s("div",{class:`stack ${a}`,children:[s(Be,{view:n}),s(tt,{view:n})]}),s(Ke,{view:n})]})]})]}),s(At,{state:e,view:n,fresh:o}),s("footer",{children:[
"Read-only. Times are of this browser. ",s("a",{href:_e,children:"JSON"})," · ",s("a",{href:"metrics",children:"metrics"})," · ",s("a",{href:"LICENSES.txt",children:"\
licenses"})]})]})}function Et({state:e}){let t=e.mode==="lost"?"Headgate does not answer. Is it running? Trying again every few seconds.":"Waiting for the first\
 view…";return s("p",{class:"plain",role:"status",children:t})}var Ot={connecting:"connecting",live:"live",polling:"polling every 5 s",lost:"connection lost",
ended:"Headgate has stopped"};function jt({state:e,fresh:t}){let n=t.age<1.5?"last update just now":`last update ${H(t.age)} ago`;return s("span",{class:`connec\
tion ${e.mode}`,id:"connection",children:[s("span",{class:"mode",children:t.final&&e.mode==="live"?"finished":Ot[e.mode]}),s("span",{class:"age",children:t.final?
"these results are final":n})]})}function At({state:e,view:t,fresh:n}){let o="";return e.mode==="ended"&&!n.final?o=`Headgate has stopped. This is the last it s\
aid, at ${A(t.at)}; started again, the run goes on where it was.`:e.mode==="lost"&&(o=`The connection is lost. This is the state of ${A(t.at)}; trying again eve\
ry few seconds.`),n.old&&(o+=` What is shown is ${H(n.age)} old, so the verdict is not known now.`),o?s("p",{class:`banner float ${n.old||e.mode==="lost"?"warn":
"info"}`,id:"lost",role:"alert",children:o.trim()}):null}var Lt=document.getElementById("app"),be={mode:"connecting",skew:0},ot=()=>je(s(st,{state:be,now:Date.now()-be.skew}),Lt);Ne(e=>{be=e,ot()});setInterval(ot,1e3);
