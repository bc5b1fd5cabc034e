var g,Se,rt,D,ie,Y,Me,K,Ve,le,ae,it,U=Symbol.for("pv"),ee={},te=[],at=/^m(i|n|o|s|text|space)$/,ce=Array.isArray,Te=te.slice,j=Object.assign;function O(e){e&&e.
parentNode&&e.remove()}function Q(e,t,s,o,i){var r={type:e,props:t,key:s,ref:o,__k:null,__:null,__b:0,__e:null,__c:null,constructor:U,__v:i||++Se,__i:-1,__u:0};return!i&&g.vnode&&g.vnode(
r),r}function $(e){return e.children}function X(e,t){this.props=e,this.context=t,this.__g=0}function C(e,t){if(t==null)return e.__&&C(e.__,e.__i+1);for(var s;t<e.__k.
length;t++)if((s=e.__k[t])&&s.__e)return s.__e;return typeof e.type!="function"||e.props.__P?null:C(e)}function lt(e){var t,s=e.__v,o=s.__e,i=[],r=[],a=e.__P;a&&
((t=j({constructor:U},s)).__v=s.__v+1,g.vnode&&g.vnode(t),ue(a,t,s,e.__n,a.namespaceURI,32&s.__u?[o]:null,i,o||C(s),32&s.__u,r),t.__v=s.__v,t.__.__k[t.__i]=t,Oe(
i,t,r),s.__=s.__e=null,t.__e!=o&&De(t))}function De(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),De(e)}
function ke(e){(8&e.__g||(e.__g|=8,D.push(e),Y++))&&ie==g.debounceRendering||((ie=g.debounceRendering)||queueMicrotask)(Ce)}function Ce(){try{for(var e,t=1;D.length;)
D.length>t&&D.sort(Me),e=D.shift(),t=D.length,8&e.__g&&lt(e)}finally{(Y=D.length)&&(ie||queueMicrotask)(Ce)}}function Pe(e,t,s,o,i,r,a,c,u,d,p){var v,f,l,_,x,h,
y=o.__k||te,m=t.length;for(u=ct(s,t,y,u,m),v=0;v<m;v++)(l=s.__k[v])!=null&&(f=~l.__i&&y[l.__i]||ee,l.__i=v,h=ue(e,l,f,i,r,a,c,u,d,p),_=l.__e,(f.ref!=l.ref||8&f.
__u)&&(f.ref&&pe(f.ref,null,l,f),l.ref&&p.push(l.ref,l.__c||_,l)),x=x||_,4&l.__u?(u=Fe(l,u,e,!f.__v),f.__e&&(f.__e=null)):typeof l.type=="function"&&h!==void 0?
u=h:_&&(u=_.nextSibling),l.__u&=-21);return s.__e=x,u}function ct(e,t,s,o,i){var r,a,c,u,d,p,v,f,l,_=s.length,x=_,h=0,y=0,m=e.__k=Array(i);for(r=0;r<i;r++)(a=t[r])!=
null&&typeof a!="boolean"&&typeof a!="function"?(typeof a!="object"||a.constructor===String?a=m[r]=Q(null,a):ce(a)?a=m[r]=Q($,{children:a}):a.constructor===U&&a.
__b?a=m[r]=Q(a.type,a.props,a.key,a.ref,a.__v):m[r]=a,u=r+h,a.__=e,a.__b=e.__b+1,c=null,~(d=a.__i=ut(a,s,u,x))&&(x--,(c=s[d])&&(c.__u|=2)),c&&c.__v?(a.__u|=16,d==
u-1?h--:d==u+1?h++:d!=u&&(d>u?h--:h++,y=1)):(~d||(i>_?h--:i<_&&h++),typeof a.type!="function"&&(a.__u|=4))):m[r]=null;if(y){for(p=[],v=[],r=0;r<i;r++)if((a=m[r])&&
16&a.__u){for(h=0,f=p.length;h<f;)p[l=h+f>>1]<a.__i?h=l+1:f=l;p[h]=a.__i,v[r]=h+1}for(h=p.length;r--;)v[r]&&(v[r]==h?h--:m[r].__u|=4)}if(x)for(r=0;r<_;r++)!(c=s[r])||
2&c.__u||(c.__e==o&&(o=C(c)),de(c,c));return o}function Fe(e,t,s,o){var i,r,a,c;if(typeof e.type=="function"){if(e.props.__P)return t;if(i=e.__k)for(r=0;r<i.length;r++)
i[r]&&(i[r].__=e,t=Fe(i[r],t,s,!1));return t}for(t&&!t.parentNode&&(t=C(e))&&!t.parentNode&&(t=null),a=e.__e,c=t;c&&c.nodeType==8;)c=c.nextSibling;for(a!=c&&(!o&&
s.moveBefore&&a.parentNode?s.moveBefore(a,t):s.insertBefore(a,t||null)),t=a;(t=t&&t.nextSibling)&&t.nodeType==8&&!t.data.startsWith("$s"););return t}function ut(e,t,s,o){var i,r=e.key,a=e.type,c=t[s],u=c&&!(2&c.__u);if(c===null&&r==null||u&&r==c.key&&a==c.type)return s;if(o>(u?1:0)){for(i=s-1;i>=0;i--)if((c=
t[i])&&!(2&c.__u)&&r==c.key&&a==c.type)return i;for(i=s+1;i<t.length;i++)if((c=t[i])&&!(2&c.__u)&&r==c.key&&a==c.type)return i}return-1}function $e(e,t,s){s==null&&
(s=""),t[0]=="-"?e.setProperty(t,s):e[t]=s}function G(e,t,s,o,i){var r,a;if(t=="style")if(typeof s=="string")e.style.cssText=s;else{if(typeof o=="string"&&(e.style.
cssText=o=""),o)for(t in o)s&&t in s||$e(e.style,t);if(s)for(t in s)o&&s[t]==o[t]||$e(e.style,t,s[t])}else if(t[0]=="o"&&t[1]=="n")typeof s!="function"&&(s=null),
typeof o!="function"&&(o=null),(e.__e||(e.__e={}))[t]=s,s&&o||(a=ae[t]||(ae[t]=pt(t)),(e.__a||(e.__a={}))[t]=le,r=t!=(t=t.replace(Ve,"$1")),(t=t.slice(2))[0]<"a"&&
(t=t.toLowerCase()),s?e.addEventListener(t,a,r):e.removeEventListener(t,a,r));else{if(i=="http://www.w3.org/2000/svg")t=t.replace(/xlink(H|:h)/,"h").replace(/sName$/,
"s");else if(t!="width"&&t!="height"&&t!="href"&&t!="list"&&t!="form"&&t!="tabIndex"&&t!="download"&&t!="rowSpan"&&t!="colSpan"&&t!="role"&&t!="popover"&&t in e)
try{return void(e[t]=s??"")}catch{}if(typeof s=="function")return;s==null||s===!1&&t[4]!="-"?e.removeAttribute(t):e.setAttribute(t,t=="popover"&&s==1?"":s)}}function pt(e){
return function(t){var s=this.__e;if(s){if(s=s[e],t[K]==null)t[K]=le++;else if(t[K]<this.__a[e])return;return s(g.event?g.event(t):t)}}}function ue(e,t,s,o,i,r,a,c,u,d){
var p,v,f,l,_,x,h,y,m,k,b,re,xe,J,F,we,T,E,V=t.type;if(t.constructor!==U)return null;128&s.__u&&(u=32&s.__u,p=s.__c.__z)&&(t.__u|=u,v=r=[],p.nodeType==8?c=Z(p,r):
r.push(p),c=r[0]||c),(p=g.__b)&&p(t);e:if(typeof V=="function"){f=a.length;try{if(y=t.props,m=(p=V.prototype)&&p.render,k=(p=V.contextType)&&o[p.__c],b=p?k?k.props.
value:p.__:o,(l=s.__c)?(t.__c=l,2&l.__g&&(l.__g|=1)):(m?t.__c=l=new V(y,b):(t.__c=l=new X(y,b),l.constructor=V,l.render=_t),k&&k.sub(l),l.state||(l.state={}),l.
__n=o,l.__g|=8,l.__h=[],l.__k=[]),m&&(l.__s||(l.__s=l.state),V.getDerivedStateFromProps&&(l.__s==l.state&&(l.__s=j({},l.__s)),j(l.__s,V.getDerivedStateFromProps(
y,l.__s)))),_=l.props,x=l.state,l.__v=t,s.__c){if(y!==_&&m&&!V.getDerivedStateFromProps&&l.componentWillReceiveProps&&l.componentWillReceiveProps(y,b),t.__v==s.
__v&&!(8&l.__g)||!(4&l.__g)&&l.shouldComponentUpdate&&l.shouldComponentUpdate(y,l.__s,b)===!1){t.__v!=s.__v&&(l.props=y,l.state=l.__s,l.__g&=-9),t.__e=s.__e,t.__k=
s.__k,t.__k.some(function(S){S&&(S.__=t)}),te.push.apply(l.__h,l.__k),l.__k=[],l.__h.length&&a.push(l),c=C(s);break e}l.componentWillUpdate&&l.componentWillUpdate(
y,l.__s,b),m&&l.componentDidUpdate&&l.__h.push(function(){l.componentDidUpdate(_,x,h)})}else m&&!V.getDerivedStateFromProps&&l.componentWillMount&&l.componentWillMount(),
m&&l.componentDidMount&&l.__h.push(l.componentDidMount);l.context=b,l.props=y,l.__P=e,l.__g&=-5,re=g.__r,xe=m?25:0;do l.__g&=-9,re&&re(t),p=l.render(l.props,l.state=
l.__s,l.context);while(8&l.__g&&++xe<25);m&&(te.push.apply(l.__h,l.__k),l.__k=[]),l.state=l.__s,l.getChildContext&&(o=j({},o,l.getChildContext())),m&&s.__c&&l.getSnapshotBeforeUpdate&&
(h=l.getSnapshotBeforeUpdate(_,x)),J=p&&p.type===$&&p.key==null?p.props.children:p,y.__P&&(p=c,i=(e=y.__P).namespaceURI,u=r=null,s.props&&s.props.__P!=e&&(s.__k.
some(function(S){S&&de(S,S)}),s.__k=null),c=s.__k?C(s,0):null),c=Pe(e,ce(J)?J:[J],t,s,o,i,r,a,c,u,d),y.__P&&(t.__e=null,c=p),t.__u&=-161,v&&v.some(O),l.__h.length&&
a.push(l),1&l.__g&&(l.__g&=-4)}catch(S){if(a.length=f,t.__v=null,u||r)if(S&&S.then){if(t.__u|=128|u,r){for(~(T=r.indexOf(c||void 0))||(T=r.length);(E=r[T-1])&&E.
nodeType==8;)T--;for(;T<r.length;T++)if(E=r[T])if(r[T]=null,F){if(E==we)break}else{if(E.nodeType!=8)break;E.data.startsWith("$s")&&(we=Z(F=E))}}if(!F){for(;c&&c.
nodeType==8&&c.nextSibling;)c=c.nextSibling;F=c}(p=Z(F=t.__c.__z||(t.__c.__z=F)))?(t.__e=F,c=p):t.__e=c,c=c&&c.nextSibling}else r&&r.some(O);else t.__e=s.__e;t.
__k||(t.__k=s.__k||[]),S&&S.then||Ee(t),g.__e(S,t,s)}}else c=t.__e=dt(s.__e,t,s,o,i,r,a,u,d,e);return(p=g.diffed)&&p(t),c}function Z(e,t){if(e&&e.nodeType==8&&e.
data.startsWith("$s"))for(var s=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith("$s"))s++;else if(e.data.startsWith("/$s")&&!--s)return e}t&&t.push(e)}}
function Ee(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(Ee))}function Oe(e,t,s){for(var o=0;o<s.length;)pe(s[o++],s[o++],s[o++]);g.__c&&g.__c(t,e),e.some(function(i){
try{e=i.__h,i.__h=[],e.some(function(r){r.call(i)})}catch(r){g.__e(r,i.__v)}})}function dt(e,t,s,o,i,r,a,c,u,d){var p,v,f,l,_,x,h,y,m=s.props||ee,k=t.props,b=t.
type;if(b=="svg"?i="http://www.w3.org/2000/svg":b=="math"?i="http://www.w3.org/1998/Math/MathML":i||(i="http://www.w3.org/1999/xhtml"),r){for(p=0;p<r.length;p++)
if((_=r[p])&&(b?_.localName==b:_.nodeType==3)){e=_,r[p]=null;break}}if(!e){if(y=d.ownerDocument||document,!b)return y.createTextNode(k);e=y.createElementNS(i,b,
k.is?k:d),c&&(g.__m&&g.__m(t,r),c=!1),r=null}if(b){if(d=b=="template"&&e.content||e,r=b=="textarea"&&k.defaultValue!=null?null:r&&Te.call(d.childNodes),!c&&r)for(m=
{},p=0;p<e.attributes.length;p++)m[(_=e.attributes[p]).name]=_.value;for(p in m)_=m[p],p=="dangerouslySetInnerHTML"?f=_:p=="children"||p in k||p=="value"&&"defa\
ultValue"in k||p=="checked"&&"defaultChecked"in k||G(e,p,null,_,i);for(p in k)_=k[p],p=="children"?l=_:p=="dangerouslySetInnerHTML"?v=_:p=="value"?x=_:p=="check\
ed"?h=_:c&&typeof _!="function"||m[p]===_||G(e,p,_,m[p],i);v?(c||f&&(v.__html==f.__html||v.__html==e.innerHTML)||(e.innerHTML=v.__html),t.__k=[]):(f&&(e.textContent=
""),(b=="foreignObject"||i=="http://www.w3.org/1998/Math/MathML"&&at.test(b))&&(i="http://www.w3.org/1999/xhtml"),Pe(d,ce(l)?l:[l],t,s,o,i,r,a,r?r[0]:s.__k&&C(s,
0),c,u),r&&r.some(O)),c&&b!="textarea"||(p="value",b=="progress"&&x==null?e.removeAttribute(p):x==null||x===e[p]&&(b!="progress"||x)||G(e,p,x,m[p],i),p="checked",
h!=null&&h!=e[p]&&G(e,p,h,m[p],i))}else m===k||c&&e.data==k||(e.data=k);return e}function pe(e,t,s,o){try{typeof e=="function"?t?t.__x=e(t)||1:o&&(o=o.__c||o.__e)&&
(t=o.__x)&&(o.__x=null,typeof t=="function"?t():e(null)):e.current=t}catch(i){g.__e(i,s)}}function de(e,t,s){var o,i,r,a;if(g.unmount&&g.unmount(e),!(o=e.ref)||
o.current&&o.current!=e.__e||pe(o,null,t,e),o=e.__c){if(o.componentWillUnmount)try{o.componentWillUnmount()}catch(c){g.__e(c,t)}o.__P=o.__n=null}if(o=e.__k)for(a=
0;a<o.length;a++)o[a]&&de(o[a],t,typeof e.type!="function"||s&&!e.props.__P);!s&&(o=e.__c)&&(o=o.__z)&&(i=Z(o,r=[]))&&(o==e.__e&&r.some(O),O(i),O(o)),s||O(e.__e),
e.__e=e.__c=e.__=null}function _t(e,t,s){return this.constructor(e,s)}function je(e,t){var s,o,i,r;g.__&&g.__(e,t),t.nodeType==9&&(t=t.documentElement),o=(s=e&&
32&e.__u)?null:t.__k,t.__k=Q($,{children:[e]}),i=[],r=[],ue(t,t.__k,o||ee,ee,t.namespaceURI,o?null:t.firstChild?Te.call(t.childNodes):null,i,o?o.__e:t.firstChild,
s,r),Oe(i,t.__k,r),t.__k.props.children=null}g={__e:function(e,t,s,o){for(var i,r,a;t=t.__;)if((i=t.__c)&&!(1&i.__g)){i.__g|=4;try{if((a=(r=i.constructor)&&r.getDerivedStateFromError)&&i.setState(r.getDerivedStateFromError(
e)),i.componentDidCatch&&(i.componentDidCatch(e,o||{}),a=1),a&&8&i.__g)return void(i.__g|=2)}catch(c){e=c}}throw Y=0,e}},Se=0,rt=function(e){return e!=null&&e.constructor===
U},X.prototype.setState=function(e,t){var s=this.__s;s&&s!=this.state||(s=this.__s=j({},this.state)),typeof e=="function"&&(e=e(j({},s),this.props)),e&&(j(s,e),
this.__v&&(t&&this.__k.push(t),ke(this)))},X.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),ke(this))},X.prototype.render=$,D=[],Y=
0,Me=function(e,t){return e.__v.__b-t.__v.__b},K=Symbol(),Ve=/(PointerCapture)$|Capture$/i,le=0,ae={},it=0;var P=e=>(e.namespace?`${e.namespace}/`:"")+e.name,W=e=>e.role==="objective",L=e=>e.condition==="done";function Ae(e,t){let s=0;return{...e,at:new Date(t.at).toISOString(),
elapsedSeconds:t.elapsed,stage:{...e.stage,progress:t.progress,elapsedSeconds:t.stage},verdict:t.sentence===void 0?e.verdict:{...e.verdict,sentence:t.sentence},
versions:e.versions.map((o,i)=>{let[r,a,c,u]=t.versions[i]??[null,null,null,null];return{...o,share:r??o.share,seen:a??void 0,units:c??o.units,requests:u??o.requests}}),
findings:e.findings?.map(o=>{if(W(o))return o;let i=t.comparisons?.[s++];if(!i)return o;let[r,a,c,u]=i;return{...o,estimate:r??void 0,interval:a!==null&&c!==null?
{low:a,high:c}:void 0,n:u??o.n}})}}var q=new URLSearchParams(location.search).get("name"),Re=q?`?name=${encodeURIComponent(q)}`:"",_e=`v1/experiment${Re}`,ne=5e3,mt=2e4;async function He(e){let t=await fetch(
e,{cache:"no-store",signal:AbortSignal.timeout(ne)});if(!t.ok)throw new Error(t.statusText);let s=Date.parse(t.headers.get("Date")??""),o=Date.now()-s-500;return{
body:await t.json(),skew:Math.abs(o)>1500?o:0}}function Ne(e){let t={mode:"connecting",skew:0},s=i=>(e(t={...t,...i}),t),o=async()=>{try{if(q)return Le({...t},s);
let{body:i,skew:r}=await He("v1/experiments"),a=i.items??[];if(a.length===1)return Le(s({view:a[0],skew:r,list:void 0}),s);s({mode:"polling",list:a,skew:r})}catch{
s({mode:"lost"})}setTimeout(o,ne)};o()}function Le(e,t){let s=0,o=u=>e=t(u),i=u=>{clearTimeout(s),s=0,o({mode:"live",...u})},r=async()=>{try{let{body:u,skew:d}=await He(
_e),p=!e.view||u.plan!==e.view.plan||Date.parse(u.at)>=Date.parse(e.view.at);o({skew:d,...s?{mode:"polling"}:{},...p?{view:u}:{}})}catch{s&&e.mode!=="ended"&&o(
{mode:"lost"})}},a=()=>{if(s)return;let u=async()=>{await r(),s&&(s=setTimeout(u,ne))};s=setTimeout(u,0)},c=()=>{let u=new EventSource(`v1/experiment/events${Re}`);
u.addEventListener("view",d=>i({view:JSON.parse(d.data)})),u.addEventListener("tick",d=>{e.view&&i({view:Ae(e.view,JSON.parse(d.data))})}),u.addEventListener("e\
nd",()=>o({mode:"ended"})),u.onerror=()=>{e.mode==="live"&&o({mode:"lost"}),a(),u.readyState===EventSource.CLOSED&&setTimeout(c,mt)}};c(),e.view||r(),setTimeout(
()=>{e.mode==="connecting"&&a()},ne)}var me=e=>e!==void 0&&Number.isFinite(e),Ue=e=>e.replace("-","−");function w(e,t=1){return me(e)?`${Ue((100*e).toFixed(t))}%`:"–"}function I(e,t=1){if(!me(e))return"–";let s=(100*e).toFixed(t);return Ue(Number(s)>0?`+${s}`:
s)}function R(e){return e.toString().replace(/\B(?=(\d{3})+$)/g,",")}function se(e){return me(e)?e<.01?`${(1e3*e).toFixed(1)} ms`:e<1?`${(1e3*e).toFixed(0)} ms`:
`${e.toFixed(2)} s`:"–"}function H(e){let t=Math.max(0,Math.floor(e));return t<60?`${t} s`:t<3600?`${Math.floor(t/60)} m ${t%60} s`:t<86400?`${Math.floor(t/3600)}\
 h ${Math.floor(t%3600/60)} m`:`${Math.floor(t/86400)} d ${Math.floor(t%86400/3600)} h`}function A(e){return new Date(e).toLocaleTimeString("en-GB")}function he(e,t){
return t<864e5?A(e):new Date(e).toLocaleString("en-GB",{day:"numeric",month:"short",hour:"2-digit",minute:"2-digit"})}function We(e){return e>=1e6?e.toExponential(
0).replace("e+","e"):e>=100?R(Math.round(e)):e.toPrecision(2)}function B(e){let t=10**Math.floor(Math.log10(e));for(let s of[1,2,5,10])if(s*t>=e*(1-1e-9))return s*
t;return 10*t}var ht=Symbol.for("pv"),ft=0;function n(e,t,s,o,i,r){t||(t={});var a,c,u=t;if("ref"in u&&typeof e!="function")for(c in u={},t)c=="ref"?a=t[c]:u[c]=t[c];var d={type:e,props:u,key:s,ref:a,__k:null,
__:null,__b:0,__e:null,__c:null,constructor:ht,__v:--ft,__i:-1,__u:0};return(i||r)&&(d.__source=i,d.__self=r),g.vnode&&g.vnode(d),d}var qe={better:["▲","good"],met:["✓","good"],"not worse":["≈","good"],worse:["▼","bad"],violated:["✕","bad"],untrustworthy:["!","warn"]};function z(e){
return qe[e]?.[1]??"neutral"}function oe({status:e}){return n("span",{class:`status ${z(e)}`,children:[n("span",{"aria-hidden":"true",children:qe[e]?.[0]??"○"}),
" ",e]})}function Ie(e){switch(e){case"any time":return"valid at any time";case"at looks":return"valid at looks";default:return"no error rate claimed"}}function gt(e){let t=e.flatMap(s=>[s.interval?.low??0,s.interval?.high??0,1.2*(s.limit??0)]);return B(Math.max(...t.map(Math.abs))||.1)}function Be({view:e}){let t=(e.
findings??[]).filter(i=>!W(i)),s=e.versions[0]?.name??"the baseline",o=gt(t);return e.versions.length<2?null:n("section",{class:"panel","aria-labelledby":"compa\
risons",children:[n("h2",{id:"comparisons",children:["Difference to ",s]}),t.length===0&&n("p",{class:"empty",children:"Nothing is compared: the plan has no rew\
ard and no guardrail."}),t.map(i=>n(vt,{f:i,reach:o},i.version+i.role+i.metric)),t.length>0&&n(bt,{reach:o,margins:t.some(i=>i.limit)})]})}var M=(e,t)=>`${50+50*
Math.max(-1,Math.min(1,e/t))}%`;function vt({f:e,reach:t}){let s=e.interval?`${I(e.estimate)} points, ${w(e.level,3).replace(/\.?0+%/,"%")} interval ${I(e.interval.
low)} to ${I(e.interval.high)}`:"no matured outcomes yet";return n("div",{class:"finding",children:[n("p",{class:"row",children:[n("b",{children:[e.version,": ",
e.question]}),n(oe,{status:e.status})]}),n(yt,{f:e,reach:t,label:`${e.metric} of ${e.version}: ${s}`}),n("p",{class:"row numbers",children:[n("span",{children:s}),
n("span",{class:"quiet",children:[Ie(e.guarantee),", ",R(e.n)," ",e.basis]})]})]})}function yt({f:e,reach:t,label:s}){let o=Math.abs(e.limit??0),i=z(e.status);return n(
"svg",{class:"plot",height:"44",role:"img","aria-label":s,children:[o>0&&n($,{children:[n("rect",{class:"band",x:M(-o,t),width:`${100*o/t}%`,y:"0",height:"44"}),
n("line",{class:"margin",x1:M(-o,t),x2:M(-o,t),y1:"0",y2:"44"}),n("line",{class:"margin",x1:M(o,t),x2:M(o,t),y1:"0",y2:"44"})]}),n("line",{class:"zero",x1:"50%",
x2:"50%",y1:"0",y2:"44"}),e.interval&&n("g",{class:`whisker ${i}`,children:[n("line",{x1:M(e.interval.low,t),x2:M(e.interval.high,t),y1:"22",y2:"22"}),n("line",
{x1:M(e.interval.low,t),x2:M(e.interval.low,t),y1:"14",y2:"30"}),n("line",{x1:M(e.interval.high,t),x2:M(e.interval.high,t),y1:"14",y2:"30"}),e.estimate!==void 0&&
n("circle",{cx:M(e.estimate,t),cy:"22",r:"6"})]})]})}function bt({reach:e,margins:t}){let s=e<.04?1:0;return n($,{children:[n("svg",{class:"axis",height:"20","a\
ria-hidden":"true",children:[n("line",{x1:"0",x2:"100%",y1:"0.5",y2:"0.5"}),[-1,-.5,0,.5,1].map(o=>n("g",{children:[n("line",{x1:`${50+50*o}%`,x2:`${50+50*o}%`,
y1:"0",y2:"5"}),n("text",{x:`${50+50*o}%`,y:"17","text-anchor":o===-1?"start":o===1?"end":"middle",children:[I(o*e,s),o===1?" points":""]})]},o))]}),n("p",{class:"\
note",children:["Line: zero, no difference.",t&&" Shaded: smaller than the effect that matters."]})]})}var Je={start:"●",advance:"▲",hold:"▬",rollback:"▼",promote:"★",stop:"■",pause:"‖",resume:"▶",retry:"↻"},Ge={rollback:"bad",promote:"good"},ze=e=>e.
split("/").map(t=>Number.parseFloat(t)/100||0);function Ke({view:e}){return n("section",{class:"panel","aria-labelledby":"decisions",children:[n("h2",{id:"decis\
ions",children:"Decisions"}),e.versions.length>1&&n(wt,{view:e}),n("ol",{class:"decisions",reversed:!0,children:[...e.decisions].reverse().map(t=>n(xt,{d:t},t.at+
t.code))})]})}function xt({d:e}){return n("li",{class:"decision",children:[n("time",{dateTime:e.at,children:A(e.at)}),n("span",{class:`act ${Ge[e.act]??"going"}`,
children:[n("span",{"aria-hidden":"true",children:Je[e.act]??"◆"})," ",e.act]}),n("span",{class:"shift",children:e.from===e.to?e.to:`${e.from} → ${e.to}`}),
n("span",{class:"why",children:[e.reasons.join("; ")," ",n("span",{class:"quiet code",children:e.code})]})]})}var fe=16,N=72;function wt({view:e}){let t=e.decisions,
s=Date.parse(t[0]?.at??e.at),o=Math.max(Date.parse(e.at),Date.parse(t[t.length-1]?.at??e.at),s+1e3),i=u=>2+96*(Date.parse(u)-s)/(o-s),r=u=>fe+(N-fe)*(1-u),a=t.map(
u=>`${A(u.at)} ${u.act} to ${u.to}`).join(", "),c=e.versions.slice(1).map((u,d)=>d+1);return n("svg",{class:"strip",height:N+18,role:"img","aria-label":`Share o\
f the candidates over time: ${a}`,children:[n("line",{class:"grid",x1:"2%",x2:"98%",y1:r(1),y2:r(1)}),n("line",{class:"grid",x1:"2%",x2:"98%",y1:r(.5),y2:r(.5)}),
n("line",{class:"base",x1:"2%",x2:"98%",y1:r(0),y2:r(0)}),t.map(u=>n("line",{class:"rule",x1:`${i(u.at)}%`,x2:`${i(u.at)}%`,y1:fe,y2:N},u.at)),c.flatMap(u=>t.map(
(d,p)=>{let v=t[p+1],f=ze(d.to)[u]??0,l=ze(d.from)[u]??0,_=`${i(d.at)}%`,x=v?`${i(v.at)}%`:"98%";return n("g",{class:`step v${u}`,children:[n("line",{x1:_,x2:_,
y1:r(l),y2:r(f)}),n("line",{x1:_,x2:x,y1:r(f),y2:r(f)})]},`${u} ${d.at}`)})),t.map(u=>n("text",{class:`glyph ${Ge[u.act]??"going"}`,x:`${i(u.at)}%`,y:"11","text\
-anchor":"middle",children:Je[u.act]??"◆"},u.at)),n("text",{class:"tick",x:"2%",y:N+15,children:he(s,o-s)}),n("text",{class:"tick",x:"98%",y:N+15,"text-anchor":"\
end",children:he(o,o-s)}),n("text",{class:"tick",x:"50%",y:N+15,"text-anchor":"middle",children:["share of ",e.versions.slice(1).map(u=>u.name).join(", "),", 0 \
to 100%"]})]})}var Qe=e=>e.health.ok?L(e)?2:1:0;function Xe({views:e,lost:t}){document.title=`${e.length} experiments · Headgate`;let s=[...e].sort((o,i)=>Qe(o)-Qe(i)||P(o).localeCompare(
P(i)));return n($,{children:[n("header",{children:[n("span",{class:"brand",children:"Headgate"}),n("h1",{children:[e.length," experiments"]}),n("span",{class:`c\
onnection ${t?"lost":"polling"}`,children:n("span",{class:"mode",children:t?"connection lost":"asked every 5 s"})})]}),n("main",{children:n("section",{class:"pa\
nel scroll","aria-label":"Experiments",tabIndex:0,children:[n("table",{class:"list",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"\
experiment"}),n("th",{scope:"col",children:"verdict"}),n("th",{scope:"col",children:"stage"}),n("th",{scope:"col",class:"n",children:"candidates"}),n("th",{scope:"\
col",children:"evidence"})]})}),n("tbody",{children:s.map(o=>n("tr",{children:[n("th",{scope:"row",children:n("a",{href:`?name=${encodeURIComponent(P(o))}`,children:P(
o)})}),n("td",{class:"sentences",children:o.verdict.sentence}),n("td",{children:o.stage.name}),n("td",{class:"n",children:w(o.versions.slice(1).reduce((i,r)=>i+
r.share,0),0)}),n("td",{children:n("span",{class:`status ${o.health.ok?"good":"warn"}`,children:o.health.ok?"ok":"not to be trusted"})})]},P(o)))})]}),s.length===
0&&n("p",{class:"empty",children:"No experiment runs here."})]})})]})}function kt(e){if(!e.health.ok)return"warn";switch(e.verdict.outcome){case"promoted":case"objectives-met":return"good";case"rolled-back":case"objectives-violate\
d":return"bad";case void 0:case"":return e.condition==="paused"?"warn":"going";default:return"neutral"}}function Ze({view:e}){let{sentence:t}=e.verdict,s=t.indexOf(
"  "),o=s<0?"":t.slice(0,s),i=s<0?t:t.slice(s);return n("section",{class:`verdict ${kt(e)}`,"aria-label":"Verdict",children:[n("p",{class:"sentence",id:"verdict",
children:[n("strong",{children:o}),i]}),n(St,{view:e}),n($t,{view:e})]})}var ge={key:"",text:""};function $t({view:e}){let t=e.verdict,s=[e.condition,e.stage.number,
e.stage.step,t.outcome,e.health.ok,e.decisions.length].join();return s!==ge.key&&(ge={key:s,text:t.sentence}),n("p",{class:"unseen",role:"status","aria-live":"p\
olite",children:ge.text})}function St({view:e}){let t=e.stage,s=t.steps>1?`, step ${t.step} of ${t.steps}`:"";return n("div",{class:"progress",children:[n("div",
{class:"track",role:"progressbar","aria-label":"Stage","aria-valuemin":0,"aria-valuemax":100,"aria-valuenow":Math.round(100*t.progress),children:Array.from({length:t.
of},(o,i)=>{let r=i+1<t.number?1:i+1===t.number?t.progress:0;return n("span",{class:"stage",children:n("span",{class:"filled",style:{width:`${100*r}%`}})},i)})}),
n("p",{children:[n("span",{children:["stage ",t.number," of ",t.of,": ",n("b",{children:t.name})," (",t.kind,")",s]}),n("span",{children:["reason ",n("span",{class:"\
code",children:e.verdict.code})]}),n("span",{class:"numbers",children:[w(t.progress,0)," after ",H(t.elapsedSeconds),", ",H(e.elapsedSeconds)," in all"]})]})]})}
function Ye({health:e}){let t=`sample-ratio e-value ${We(e.mismatchEValue)}, alarm at 1,000`;return e.ok?n("p",{class:"health",id:"health",children:[n("span",{class:"\
status good",children:"evidence ok"})," ",t]}):n("div",{class:"banner warn",id:"health",role:"alert",children:[n("b",{children:"The evidence cannot be trusted n\
ow."})," Do not use the numbers below; they raise no share and promote nothing.",n("ul",{children:(e.trouble??[]).map(s=>n("li",{children:s},s))}),n("span",{class:"\
small",children:t})]})}var ye=({index:e})=>n("span",{class:`swatch v${e}`,"aria-hidden":"true"});function et({view:e}){let t=L(e);return n("section",{class:"panel","aria-labelledby":"\
versions",children:[n("h2",{id:"versions",children:"Versions"}),n("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"versions",children:n("table",
{class:"versions",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"version"}),n("th",{scope:"col",class:"bar",children:n("span",{class:"\
legend",children:"bar: asked, line: seen"})}),n("th",{scope:"col",class:"n",children:"share asked"}),n("th",{scope:"col",class:"n",children:t?"seen before":"see\
n"}),n("th",{scope:"col",class:"n",children:"units"}),n("th",{scope:"col",class:"n",children:"requests"}),n("th",{scope:"col",class:"n",children:"errors"}),n("t\
h",{scope:"col",class:"n",children:"p50"}),n("th",{scope:"col",class:"n",children:"p95"}),n("th",{scope:"col",class:"n",children:"p99"}),n("th",{scope:"col",class:"\
n",children:"reward"}),n("th",{scope:"col",class:"n",children:"95%, one look"})]})}),n("tbody",{children:e.versions.map((s,o)=>n(Mt,{v:s,index:o,done:t},s.name))})]})})]})}
function Mt({v:e,index:t,done:s}){let o=s?void 0:e.seen;return n("tr",{children:[n("th",{scope:"row",children:[n(ye,{index:t}),e.name," ",n("span",{class:"role",
children:e.role})]}),n("td",{class:"bar",children:n("svg",{class:"share",height:"22","aria-hidden":"true",children:[n("rect",{class:"rail",x:"0",y:"6",width:"10\
0%",height:"10",rx:"3"}),n("rect",{class:`fill v${t}`,x:"0",y:"6",width:`${100*e.share}%`,height:"10",rx:"3"}),o!==void 0&&n("line",{class:"seen",x1:`${100*o}%`,
x2:`${100*o}%`,y1:"1",y2:"21",children:n("title",{children:"seen"})})]})}),n("td",{class:"n strong",children:w(e.share)}),n("td",{class:"n",children:w(e.seen)}),
n("td",{class:"n",children:R(e.units)}),n("td",{class:"n",children:R(e.requests)}),n("td",{class:"n",children:w(e.errorRate,2)}),n("td",{class:"n",children:se(e.
p50Seconds)}),n("td",{class:"n",children:se(e.p95Seconds)}),n("td",{class:"n",children:se(e.p99Seconds)}),n("td",{class:"n strong",children:w(e.reward?.value,2)}),
n("td",{class:"n quiet",children:e.reward?`${w(e.reward.low,2)} to ${w(e.reward.high,2)}`:"–"})]})}function tt({view:e}){let t=(e.findings??[]).filter(W),s=[...new Set(t.map(o=>o.question))];return n("section",{class:"panel","aria-labelledby":"objectives",children:[
n("h2",{id:"objectives",children:"Objectives"}),s.length===0&&n("p",{class:"empty",children:"The plan has no objectives."}),s.map(o=>n(Dt,{question:o,rows:t.filter(
i=>i.question===o),view:e},o))]})}function Vt(e,t){let[,s]=e.split(" <= ");return!s||s.endsWith("%")?"":`requests over ${s}, at most ${w(t,2).replace(/\.?0+%/,"\
%")} of all`}function Tt(e,t){let s=e[0]?.limit??0,o=e.flatMap(a=>[a.estimate??s,a.interval?.low??s,a.interval?.high??s]);if(t){let a=Math.min(Math.max(1-Math.min(
...o),1.2*(1-s)),Math.max(4*(1-s),1.2*(1-Math.min(s,...e.map(c=>c.estimate??1)))));return[Math.max(0,1-B(Math.max(a,1e-4))),1]}let i=e.map(a=>a.estimate??0),r=Math.
min(Math.max(...o,2*s),Math.max(4*s,1.2*Math.max(...i)));return[0,B(Math.max(r,1e-4))]}var nt=(e,t,s)=>2+96*(e-t)/(s-t);function Dt({question:e,rows:t,view:s}){
let o=e.includes(" >= "),[i,r]=Tt(t,o),a=t[0]?.limit,c=Vt(e,a),u=a===void 0?void 0:nt(a,i,r),d=p=>w(p,2).replace(/\.?0+%/,"%");return n("div",{class:"objective",
children:[n("p",{class:"row",children:[n("b",{children:e}),n("span",{class:"quiet",children:c})]}),n("table",{children:[n("thead",{class:"unseen",children:n("tr",
{children:[n("th",{scope:"col",children:"version"}),n("th",{scope:"col",children:"plot"}),n("th",{scope:"col",children:"estimate"}),n("th",{scope:"col",children:"\
interval"}),n("th",{scope:"col",children:"status"})]})}),n("tbody",{children:[t.map(p=>n("tr",{children:[n("th",{scope:"row",children:[n(ye,{index:s.versions.findIndex(
v=>v.name===p.version)}),p.version]}),n("td",{class:"wide",children:n(Ct,{f:p,from:i,to:r,least:o})}),n("td",{class:"n strong",children:w(p.estimate,2)}),n("td",
{class:"n interval",children:p.interval?`${w(p.interval.low,2)} to ${w(p.interval.high,2)}`:"–"}),n("td",{class:"s",children:n(oe,{status:p.status})})]},p.version)),
n("tr",{class:"scale","aria-hidden":"true",children:[n("td",{}),n("td",{class:"wide",children:n("svg",{class:"axis",height:"16",children:[!(u<22)&&n("text",{x:"\
2%",y:"12","text-anchor":"start",children:d(i)}),!(u>78)&&n("text",{x:"98%",y:"12","text-anchor":"end",children:d(r)}),a!==void 0&&n("text",{x:`${u}%`,y:"12","t\
ext-anchor":u<10?"start":u>90?"end":"middle",children:[n("tspan",{class:"word",children:"limit "}),d(a)]})]})}),n("td",{colSpan:3})]})]})]})]})}function Ct({f:e,
from:t,to:s,least:o}){let i=c=>nt(c,t,s),r=c=>`${Math.max(0,Math.min(100,i(c)))}%`,a=e.limit??s;return n("svg",{class:"plot small",height:"24","aria-hidden":"tr\
ue",children:[n("rect",{class:"forbidden",x:o?0:r(a),width:o?r(a):`${100-i(a)}%`,y:"0",height:"24"}),n("line",{class:"limit",x1:r(a),x2:r(a),y1:"0",y2:"24"}),e.
interval&&n("g",{class:`whisker ${z(e.status)}`,children:[n("line",{x1:r(e.interval.low),x2:r(e.interval.high),y1:"12",y2:"12"}),i(e.interval.low)>=0&&n("line",
{x1:r(e.interval.low),x2:r(e.interval.low),y1:"7",y2:"17"}),i(e.interval.high)<=100&&n("line",{x1:r(e.interval.high),x2:r(e.interval.high),y1:"7",y2:"17"}),e.estimate!==
void 0&&n("circle",{cx:r(e.estimate),cy:"12",r:"4.5"})]})]})}var Pt=30;function Ft(e,t){let s=Math.max(0,(t-Date.parse(e.at))/1e3),o=L(e);return{age:s,final:o,old:!o&&s>Pt}}function st({state:e,now:t}){let s=e.view;if(e.list)
return n(Xe,{views:e.list,lost:e.mode==="lost"});if(!s)return n(Et,{state:e});let o=Ft(s,t),i=P(s),r=s.verdict.sentence.split("  ")[0],a=s.health.ok?"":"untrust\
ed";return document.title=`${r} · ${i} · Headgate`,n($,{children:[n("header",{children:[n("span",{class:"brand",children:q?n("a",{href:"./",children:"Headgate"}):
"Headgate"}),n("h1",{children:i}),n("span",{class:"plan",title:`plan ${s.plan}`,children:["plan ",s.plan.slice(0,8)]}),n(jt,{state:e,fresh:o})]}),n("main",{class:o.
old?"old":void 0,children:[n(Ze,{view:s}),n(Ye,{health:s.health}),n("div",{class:"results",children:[n("div",{class:a,children:n(et,{view:s})}),n("div",{class:"\
columns",children:[n("div",{class:`stack ${a}`,children:[n(Be,{view:s}),n(tt,{view:s})]}),n(Ke,{view:s})]})]})]}),n(At,{state:e,view:s,fresh:o}),n("footer",{children:[
"Read-only. Times are of this browser. ",n("a",{href:_e,children:"JSON"})," · ",n("a",{href:"metrics",children:"metrics"})," · ",n("a",{href:"LICENSES.txt",children:"\
licenses"})]})]})}function Et({state:e}){let t=e.mode==="lost"?"Headgate does not answer. Is it running? Trying again every few seconds.":"Waiting for the first\
 view…";return n("p",{class:"plain",role:"status",children:t})}var Ot={connecting:"connecting",live:"live",polling:"polling every 5 s",lost:"connection lost",
ended:"Headgate has stopped"};function jt({state:e,fresh:t}){let s=t.age<1.5?"last update just now":`last update ${H(t.age)} ago`;return n("span",{class:`connec\
tion ${e.mode}`,id:"connection",children:[n("span",{class:"mode",children:t.final&&e.mode==="live"?"finished":Ot[e.mode]}),n("span",{class:"age",children:t.final?
"these results are final":s})]})}function At({state:e,view:t,fresh:s}){let o="";return e.mode==="ended"&&!s.final?o=`Headgate has stopped. This is the last it s\
aid, at ${A(t.at)}; started again, the run goes on where it was.`:e.mode==="lost"&&(o=`The connection is lost. This is the state of ${A(t.at)}; trying again eve\
ry few seconds.`),s.old&&(o+=` What is shown is ${H(s.age)} old, so the verdict is not known now.`),o?n("p",{class:`banner float ${s.old||e.mode==="lost"?"warn":
"info"}`,id:"lost",role:"alert",children:o.trim()}):null}var Lt=document.getElementById("app"),be={mode:"connecting",skew:0},ot=()=>je(n(st,{state:be,now:Date.now()-be.skew}),Lt);Ne(e=>{be=e,ot()});setInterval(ot,1e3);
