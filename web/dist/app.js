var v,Me,mt,E,ue,ne,Ve,Z,Te,de,pe,ht,U=Symbol.for("pv"),se={},oe=[],_t=/^m(i|n|o|s|text|space)$/,me=Array.isArray,Fe=oe.slice,N=Object.assign;function L(e){e&&e.
parentNode&&e.remove()}function Y(e,t,s,o,r){var i={type:e,props:t,key:s,ref:o,__k:null,__:null,__b:0,__e:null,__c:null,constructor:U,__v:r||++Me,__i:-1,__u:0};return!r&&v.vnode&&v.vnode(
i),i}function k(e){return e.children}function ee(e,t){this.props=e,this.context=t,this.__g=0}function A(e,t){if(t==null)return e.__&&A(e.__,e.__i+1);for(var s;t<e.__k.
length;t++)if((s=e.__k[t])&&s.__e)return s.__e;return typeof e.type!="function"||e.props.__P?null:A(e)}function ft(e){var t,s=e.__v,o=s.__e,r=[],i=[],l=e.__P;l&&
((t=N({constructor:U},s)).__v=s.__v+1,v.vnode&&v.vnode(t),he(l,t,s,e.__n,l.namespaceURI,32&s.__u?[o]:null,r,o||A(s),32&s.__u,i),t.__v=s.__v,t.__.__k[t.__i]=t,je(
r,t,i),s.__=s.__e=null,t.__e!=o&&De(t))}function De(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),De(e)}
function $e(e){(8&e.__g||(e.__g|=8,E.push(e),ne++))&&ue==v.debounceRendering||((ue=v.debounceRendering)||queueMicrotask)(Ce)}function Ce(){try{for(var e,t=1;E.length;)
E.length>t&&E.sort(Ve),e=E.shift(),t=E.length,8&e.__g&&ft(e)}finally{(ne=E.length)&&(ue||queueMicrotask)(Ce)}}function Pe(e,t,s,o,r,i,l,a,u,d,p){var h,f,c,m,x,g,
y=o.__k||oe,_=t.length;for(u=gt(s,t,y,u,_),h=0;h<_;h++)(c=s.__k[h])!=null&&(f=~c.__i&&y[c.__i]||se,c.__i=h,g=he(e,c,f,r,i,l,a,u,d,p),m=c.__e,(f.ref!=c.ref||8&f.
__u)&&(f.ref&&_e(f.ref,null,c,f),c.ref&&p.push(c.ref,c.__c||m,c)),x=x||m,4&c.__u?(u=Ee(c,u,e,!f.__v),f.__e&&(f.__e=null)):typeof c.type=="function"&&g!==void 0?
u=g:m&&(u=m.nextSibling),c.__u&=-21);return s.__e=x,u}function gt(e,t,s,o,r){var i,l,a,u,d,p,h,f,c,m=s.length,x=m,g=0,y=0,_=e.__k=Array(r);for(i=0;i<r;i++)(l=t[i])!=
null&&typeof l!="boolean"&&typeof l!="function"?(typeof l!="object"||l.constructor===String?l=_[i]=Y(null,l):me(l)?l=_[i]=Y(k,{children:l}):l.constructor===U&&l.
__b?l=_[i]=Y(l.type,l.props,l.key,l.ref,l.__v):_[i]=l,u=i+g,l.__=e,l.__b=e.__b+1,a=null,~(d=l.__i=vt(l,s,u,x))&&(x--,(a=s[d])&&(a.__u|=2)),a&&a.__v?(l.__u|=16,d==
u-1?g--:d==u+1?g++:d!=u&&(d>u?g--:g++,y=1)):(~d||(r>m?g--:r<m&&g++),typeof l.type!="function"&&(l.__u|=4))):_[i]=null;if(y){for(p=[],h=[],i=0;i<r;i++)if((l=_[i])&&
16&l.__u){for(g=0,f=p.length;g<f;)p[c=g+f>>1]<l.__i?g=c+1:f=c;p[g]=l.__i,h[i]=g+1}for(g=p.length;i--;)h[i]&&(h[i]==g?g--:_[i].__u|=4)}if(x)for(i=0;i<m;i++)!(a=s[i])||
2&a.__u||(a.__e==o&&(o=A(a)),fe(a,a));return o}function Ee(e,t,s,o){var r,i,l,a;if(typeof e.type=="function"){if(e.props.__P)return t;if(r=e.__k)for(i=0;i<r.length;i++)
r[i]&&(r[i].__=e,t=Ee(r[i],t,s,!1));return t}for(t&&!t.parentNode&&(t=A(e))&&!t.parentNode&&(t=null),l=e.__e,a=t;a&&a.nodeType==8;)a=a.nextSibling;for(l!=a&&(!o&&
s.moveBefore&&l.parentNode?s.moveBefore(l,t):s.insertBefore(l,t||null)),t=l;(t=t&&t.nextSibling)&&t.nodeType==8&&!t.data.startsWith("$s"););return t}function vt(e,t,s,o){var r,i=e.key,l=e.type,a=t[s],u=a&&!(2&a.__u);if(a===null&&i==null||u&&i==a.key&&l==a.type)return s;if(o>(u?1:0)){for(r=s-1;r>=0;r--)if((a=
t[r])&&!(2&a.__u)&&i==a.key&&l==a.type)return r;for(r=s+1;r<t.length;r++)if((a=t[r])&&!(2&a.__u)&&i==a.key&&l==a.type)return r}return-1}function Se(e,t,s){s==null&&
(s=""),t[0]=="-"?e.setProperty(t,s):e[t]=s}function X(e,t,s,o,r){var i,l;if(t=="style")if(typeof s=="string")e.style.cssText=s;else{if(typeof o=="string"&&(e.style.
cssText=o=""),o)for(t in o)s&&t in s||Se(e.style,t);if(s)for(t in s)o&&s[t]==o[t]||Se(e.style,t,s[t])}else if(t[0]=="o"&&t[1]=="n")typeof s!="function"&&(s=null),
typeof o!="function"&&(o=null),(e.__e||(e.__e={}))[t]=s,s&&o||(l=pe[t]||(pe[t]=bt(t)),(e.__a||(e.__a={}))[t]=de,i=t!=(t=t.replace(Te,"$1")),(t=t.slice(2))[0]<"a"&&
(t=t.toLowerCase()),s?e.addEventListener(t,l,i):e.removeEventListener(t,l,i));else{if(r=="http://www.w3.org/2000/svg")t=t.replace(/xlink(H|:h)/,"h").replace(/sName$/,
"s");else if(t!="width"&&t!="height"&&t!="href"&&t!="list"&&t!="form"&&t!="tabIndex"&&t!="download"&&t!="rowSpan"&&t!="colSpan"&&t!="role"&&t!="popover"&&t in e)
try{return void(e[t]=s??"")}catch{}if(typeof s=="function")return;s==null||s===!1&&t[4]!="-"?e.removeAttribute(t):e.setAttribute(t,t=="popover"&&s==1?"":s)}}function bt(e){
return function(t){var s=this.__e;if(s){if(s=s[e],t[Z]==null)t[Z]=de++;else if(t[Z]<this.__a[e])return;return s(v.event?v.event(t):t)}}}function he(e,t,s,o,r,i,l,a,u,d){
var p,h,f,c,m,x,g,y,_,$,w,ce,xe,Q,q,ke,P,W,D=t.type;if(t.constructor!==U)return null;128&s.__u&&(u=32&s.__u,p=s.__c.__z)&&(t.__u|=u,h=i=[],p.nodeType==8?a=te(p,
i):i.push(p),a=i[0]||a),(p=v.__b)&&p(t);e:if(typeof D=="function"){f=l.length;try{if(y=t.props,_=(p=D.prototype)&&p.render,$=(p=D.contextType)&&o[p.__c],w=p?$?$.
props.value:p.__:o,(c=s.__c)?(t.__c=c,2&c.__g&&(c.__g|=1)):(_?t.__c=c=new D(y,w):(t.__c=c=new ee(y,w),c.constructor=D,c.render=wt),$&&$.sub(c),c.state||(c.state=
{}),c.__n=o,c.__g|=8,c.__h=[],c.__k=[]),_&&(c.__s||(c.__s=c.state),D.getDerivedStateFromProps&&(c.__s==c.state&&(c.__s=N({},c.__s)),N(c.__s,D.getDerivedStateFromProps(
y,c.__s)))),m=c.props,x=c.state,c.__v=t,s.__c){if(y!==m&&_&&!D.getDerivedStateFromProps&&c.componentWillReceiveProps&&c.componentWillReceiveProps(y,w),t.__v==s.
__v&&!(8&c.__g)||!(4&c.__g)&&c.shouldComponentUpdate&&c.shouldComponentUpdate(y,c.__s,w)===!1){t.__v!=s.__v&&(c.props=y,c.state=c.__s,c.__g&=-9),t.__e=s.__e,t.__k=
s.__k,t.__k.some(function(M){M&&(M.__=t)}),oe.push.apply(c.__h,c.__k),c.__k=[],c.__h.length&&l.push(c),a=A(s);break e}c.componentWillUpdate&&c.componentWillUpdate(
y,c.__s,w),_&&c.componentDidUpdate&&c.__h.push(function(){c.componentDidUpdate(m,x,g)})}else _&&!D.getDerivedStateFromProps&&c.componentWillMount&&c.componentWillMount(),
_&&c.componentDidMount&&c.__h.push(c.componentDidMount);c.context=w,c.props=y,c.__P=e,c.__g&=-5,ce=v.__r,xe=_?25:0;do c.__g&=-9,ce&&ce(t),p=c.render(c.props,c.state=
c.__s,c.context);while(8&c.__g&&++xe<25);_&&(oe.push.apply(c.__h,c.__k),c.__k=[]),c.state=c.__s,c.getChildContext&&(o=N({},o,c.getChildContext())),_&&s.__c&&c.getSnapshotBeforeUpdate&&
(g=c.getSnapshotBeforeUpdate(m,x)),Q=p&&p.type===k&&p.key==null?p.props.children:p,y.__P&&(p=a,r=(e=y.__P).namespaceURI,u=i=null,s.props&&s.props.__P!=e&&(s.__k.
some(function(M){M&&fe(M,M)}),s.__k=null),a=s.__k?A(s,0):null),a=Pe(e,me(Q)?Q:[Q],t,s,o,r,i,l,a,u,d),y.__P&&(t.__e=null,a=p),t.__u&=-161,h&&h.some(L),c.__h.length&&
l.push(c),1&c.__g&&(c.__g&=-4)}catch(M){if(l.length=f,t.__v=null,u||i)if(M&&M.then){if(t.__u|=128|u,i){for(~(P=i.indexOf(a||void 0))||(P=i.length);(W=i[P-1])&&W.
nodeType==8;)P--;for(;P<i.length;P++)if(W=i[P])if(i[P]=null,q){if(W==ke)break}else{if(W.nodeType!=8)break;W.data.startsWith("$s")&&(ke=te(q=W))}}if(!q){for(;a&&
a.nodeType==8&&a.nextSibling;)a=a.nextSibling;q=a}(p=te(q=t.__c.__z||(t.__c.__z=q)))?(t.__e=q,a=p):t.__e=a,a=a&&a.nextSibling}else i&&i.some(L);else t.__e=s.__e;
t.__k||(t.__k=s.__k||[]),M&&M.then||Ae(t),v.__e(M,t,s)}}else a=t.__e=yt(s.__e,t,s,o,r,i,l,u,d,e);return(p=v.diffed)&&p(t),a}function te(e,t){if(e&&e.nodeType==8&&
e.data.startsWith("$s"))for(var s=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith("$s"))s++;else if(e.data.startsWith("/$s")&&!--s)return e}t&&t.push(
e)}}function Ae(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(Ae))}function je(e,t,s){for(var o=0;o<s.length;)_e(s[o++],s[o++],s[o++]);v.__c&&v.__c(t,e),e.some(
function(r){try{e=r.__h,r.__h=[],e.some(function(i){i.call(r)})}catch(i){v.__e(i,r.__v)}})}function yt(e,t,s,o,r,i,l,a,u,d){var p,h,f,c,m,x,g,y,_=s.props||se,$=t.
props,w=t.type;if(w=="svg"?r="http://www.w3.org/2000/svg":w=="math"?r="http://www.w3.org/1998/Math/MathML":r||(r="http://www.w3.org/1999/xhtml"),i){for(p=0;p<i.
length;p++)if((m=i[p])&&(w?m.localName==w:m.nodeType==3)){e=m,i[p]=null;break}}if(!e){if(y=d.ownerDocument||document,!w)return y.createTextNode($);e=y.createElementNS(
r,w,$.is?$:d),a&&(v.__m&&v.__m(t,i),a=!1),i=null}if(w){if(d=w=="template"&&e.content||e,i=w=="textarea"&&$.defaultValue!=null?null:i&&Fe.call(d.childNodes),!a&&
i)for(_={},p=0;p<e.attributes.length;p++)_[(m=e.attributes[p]).name]=m.value;for(p in _)m=_[p],p=="dangerouslySetInnerHTML"?f=m:p=="children"||p in $||p=="value"&&
"defaultValue"in $||p=="checked"&&"defaultChecked"in $||X(e,p,null,m,r);for(p in $)m=$[p],p=="children"?c=m:p=="dangerouslySetInnerHTML"?h=m:p=="value"?x=m:p=="\
checked"?g=m:a&&typeof m!="function"||_[p]===m||X(e,p,m,_[p],r);h?(a||f&&(h.__html==f.__html||h.__html==e.innerHTML)||(e.innerHTML=h.__html),t.__k=[]):(f&&(e.textContent=
""),(w=="foreignObject"||r=="http://www.w3.org/1998/Math/MathML"&&_t.test(w))&&(r="http://www.w3.org/1999/xhtml"),Pe(d,me(c)?c:[c],t,s,o,r,i,l,i?i[0]:s.__k&&A(s,
0),a,u),i&&i.some(L)),a&&w!="textarea"||(p="value",w=="progress"&&x==null?e.removeAttribute(p):x==null||x===e[p]&&(w!="progress"||x)||X(e,p,x,_[p],r),p="checked",
g!=null&&g!=e[p]&&X(e,p,g,_[p],r))}else _===$||a&&e.data==$||(e.data=$);return e}function _e(e,t,s,o){try{typeof e=="function"?t?t.__x=e(t)||1:o&&(o=o.__c||o.__e)&&
(t=o.__x)&&(o.__x=null,typeof t=="function"?t():e(null)):e.current=t}catch(r){v.__e(r,s)}}function fe(e,t,s){var o,r,i,l;if(v.unmount&&v.unmount(e),!(o=e.ref)||
o.current&&o.current!=e.__e||_e(o,null,t,e),o=e.__c){if(o.componentWillUnmount)try{o.componentWillUnmount()}catch(a){v.__e(a,t)}o.__P=o.__n=null}if(o=e.__k)for(l=
0;l<o.length;l++)o[l]&&fe(o[l],t,typeof e.type!="function"||s&&!e.props.__P);!s&&(o=e.__c)&&(o=o.__z)&&(r=te(o,i=[]))&&(o==e.__e&&i.some(L),L(r),L(o)),s||L(e.__e),
e.__e=e.__c=e.__=null}function wt(e,t,s){return this.constructor(e,s)}function qe(e,t){var s,o,r,i;v.__&&v.__(e,t),t.nodeType==9&&(t=t.documentElement),o=(s=e&&
32&e.__u)?null:t.__k,t.__k=Y(k,{children:[e]}),r=[],i=[],he(t,t.__k,o||se,se,t.namespaceURI,o?null:t.firstChild?Fe.call(t.childNodes):null,r,o?o.__e:t.firstChild,
s,i),je(r,t.__k,i),t.__k.props.children=null}v={__e:function(e,t,s,o){for(var r,i,l;t=t.__;)if((r=t.__c)&&!(1&r.__g)){r.__g|=4;try{if((l=(i=r.constructor)&&i.getDerivedStateFromError)&&r.setState(i.getDerivedStateFromError(
e)),r.componentDidCatch&&(r.componentDidCatch(e,o||{}),l=1),l&&8&r.__g)return void(r.__g|=2)}catch(a){e=a}}throw ne=0,e}},Me=0,mt=function(e){return e!=null&&e.
constructor===U},ee.prototype.setState=function(e,t){var s=this.__s;s&&s!=this.state||(s=this.__s=N({},this.state)),typeof e=="function"&&(e=e(N({},s),this.props)),
e&&(N(s,e),this.__v&&(t&&this.__k.push(t),$e(this)))},ee.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),$e(this))},ee.prototype.render=
k,E=[],ne=0,Ve=function(e,t){return e.__v.__b-t.__v.__b},Z=Symbol(),Te=/(PointerCapture)$|Capture$/i,de=0,pe={},ht=0;var T=e=>(e.namespace?`${e.namespace}/`:"")+e.name,We=e=>e.role==="objective",re=e=>We(e)||e.role==="gate",ie=(e,t)=>e.versions.some(s=>s.name===t&&s.removed),O=e=>e.
condition==="done";function Le(e,t){let s=0;return{...e,at:new Date(t.at).toISOString(),elapsedSeconds:t.elapsed,stage:{...e.stage,progress:t.progress,elapsedSeconds:t.
stage},verdict:t.sentence===void 0?e.verdict:{...e.verdict,sentence:t.sentence},versions:e.versions.map((o,r)=>{let[i,l,a,u]=t.versions[r]??[null,null,null,null];
return{...o,share:i??o.share,seen:l??void 0,units:a??o.units,requests:u??o.requests}}),findings:e.findings?.map(o=>{if(We(o))return o;let r=t.comparisons?.[s++];
if(!r)return o;let[i,l,a,u]=r;return{...o,estimate:i??void 0,interval:l!==null&&a!==null?{low:l,high:a}:void 0,n:u??o.n}})}}var B=new URLSearchParams(location.search).get("name"),Oe=B?`?name=${encodeURIComponent(B)}`:"",ge=`v1/experiment${Oe}`,ae=5e3,xt=2e4;async function Re(e){let t=await fetch(
e,{cache:"no-store",signal:AbortSignal.timeout(ae)});if(!t.ok)throw new Error(t.statusText);let s=Date.parse(t.headers.get("Date")??""),o=Date.now()-s-500;return{
body:await t.json(),skew:Math.abs(o)>1500?o:0}}function He(e){let t={mode:"connecting",skew:0},s=r=>(e(t={...t,...r}),t),o=async()=>{try{if(B)return Ne({...t},s);
let{body:r,skew:i}=await Re("v1/experiments"),l=r.items??[];if(l.length===1)return Ne(s({view:l[0],skew:i,list:void 0}),s);s({mode:"polling",list:l,skew:i})}catch{
s({mode:"lost"})}setTimeout(o,ae)};o()}function Ne(e,t){let s=0,o=u=>e=t(u),r=u=>{clearTimeout(s),s=0,o({mode:"live",...u})},i=async()=>{try{let{body:u,skew:d}=await Re(
ge),p=!e.view||u.plan!==e.view.plan||Date.parse(u.at)>=Date.parse(e.view.at);o({skew:d,...s?{mode:"polling"}:{},...p?{view:u}:{}})}catch{s&&e.mode!=="ended"&&o(
{mode:"lost"})}},l=()=>{if(s)return;let u=async()=>{await i(),s&&(s=setTimeout(u,ae))};s=setTimeout(u,0)},a=()=>{let u=new EventSource(`v1/experiment/events${Oe}`);
u.addEventListener("view",d=>r({view:JSON.parse(d.data)})),u.addEventListener("tick",d=>{e.view&&r({view:Le(e.view,JSON.parse(d.data))})}),u.addEventListener("e\
nd",()=>o({mode:"ended"})),u.onerror=()=>{e.mode==="live"&&o({mode:"lost"}),l(),u.readyState===EventSource.CLOSED&&setTimeout(a,xt)}};a(),e.view||i(),setTimeout(
()=>{e.mode==="connecting"&&l()},ae)}var ve=e=>e!==void 0&&Number.isFinite(e),Ie=e=>e.replace("-","−");function b(e,t=1){return ve(e)?`${Ie((100*e).toFixed(t))}%`:"–"}function z(e,t=1){if(!ve(e))return"–";let s=(100*e).toFixed(t);return Ie(Number(s)>0?`+${s}`:
s)}function S(e){return e.toString().replace(/\B(?=(\d{3})+$)/g,",")}function le(e){return ve(e)?e<.01?`${(1e3*e).toFixed(1)} ms`:e<1?`${(1e3*e).toFixed(0)} ms`:
`${e.toFixed(2)} s`:"–"}function F(e){let t=Math.max(0,Math.floor(e));return t<60?`${t} s`:t<3600?`${Math.floor(t/60)} m ${t%60} s`:t<86400?`${Math.floor(t/3600)}\
 h ${Math.floor(t%3600/60)} m`:`${Math.floor(t/86400)} d ${Math.floor(t%86400/3600)} h`}function C(e){return new Date(e).toLocaleTimeString("en-GB")}function R(e,t){
return t<864e5?C(e):new Date(e).toLocaleString("en-GB",{day:"numeric",month:"short",hour:"2-digit",minute:"2-digit"})}function Ue(e){return e>=1e6?e.toExponential(
0).replace("e+","e"):e>=100?S(Math.round(e)):e.toPrecision(2)}function G(e){let t=10**Math.floor(Math.log10(e));for(let s of[1,2,5,10])if(s*t>=e*(1-1e-9))return s*
t;return 10*t}var kt=Symbol.for("pv"),$t=0;function n(e,t,s,o,r,i){t||(t={});var l,a,u=t;if("ref"in u&&typeof e!="function")for(a in u={},t)a=="ref"?l=t[a]:u[a]=t[a];var d={type:e,props:u,key:s,ref:l,__k:null,
__:null,__b:0,__e:null,__c:null,constructor:kt,__v:--$t,__i:-1,__u:0};return(r||i)&&(d.__source=r,d.__self=i),v.vnode&&v.vnode(d),d}var Be={better:["▲","good"],met:["✓","good"],"not worse":["≈","good"],worse:["▼","bad"],violated:["✕","bad"],untrustworthy:["!","warn"]};function J(e){
return Be[e]?.[1]??"neutral"}function K({status:e}){return n("span",{class:`status ${J(e)}`,children:[n("span",{"aria-hidden":"true",children:Be[e]?.[0]??"○"}),
" ",e]})}function ze(e){switch(e){case"any time":return"valid at any time";case"at looks":case"at the horizon":return`valid ${e}`;default:return"no error rate c\
laimed"}}var j=({index:e})=>n("span",{class:`swatch v${e}`,"aria-hidden":"true"});function Ge({view:e}){let t=O(e);return n("section",{class:"panel","aria-labelledby":"v\
ersions",children:[n("h2",{id:"versions",children:"Versions"}),n("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"versions",children:n("table",
{class:"versions",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"version"}),n("th",{scope:"col",class:"bar",children:n("span",{class:"\
legend",children:"bar: asked, line: seen"})}),n("th",{scope:"col",class:"n",children:"share asked"}),n("th",{scope:"col",class:"n",children:t?"seen before":"see\
n"}),n("th",{scope:"col",class:"n",children:"units"}),n("th",{scope:"col",class:"n",children:"requests"}),n("th",{scope:"col",class:"n",children:"errors"}),n("t\
h",{scope:"col",class:"n",children:"p50"}),n("th",{scope:"col",class:"n",children:"p95"}),n("th",{scope:"col",class:"n",children:"p99"}),n("th",{scope:"col",class:"\
n",children:"reward"}),n("th",{scope:"col",class:"n",children:"95%, one look"})]})}),n("tbody",{children:e.versions.map((s,o)=>n(Mt,{v:s,index:o,done:t},s.name))})]})}),
e.versions.map((s,o)=>n(St,{v:s,index:o},s.name))]})}function St({v:e,index:t}){let s=e.parts?.map(o=>`${o.name} ${o.value}`).join(", ");return!e.removed&&!s?null:
n("p",{class:"remark",children:[n(j,{index:t}),n("b",{children:e.name})," ",e.removed&&n(k,{children:["was removed at ",C(e.removed.at),": ",e.removed.why," ",n(
"span",{class:"quiet code",children:e.removed.code})," "]}),s&&n("span",{class:"quiet",children:["is made of ",s,e.differs&&`; differs in ${e.differs.join(", ")}`]})]})}
function Mt({v:e,index:t,done:s}){let o=s?void 0:e.seen;return n("tr",{class:e.removed&&"gone",children:[n("th",{scope:"row",children:[n(j,{index:t}),e.name," ",
n("span",{class:"role",children:e.removed?"removed":e.role})]}),n("td",{class:"bar",children:n("svg",{class:"share",height:"22","aria-hidden":"true",children:[n(
"rect",{class:"rail",x:"0",y:"6",width:"100%",height:"10",rx:"3"}),n("rect",{class:`fill v${t}`,x:"0",y:"6",width:`${100*e.share}%`,height:"10",rx:"3"}),o!==void 0&&
n("line",{class:"seen",x1:`${100*o}%`,x2:`${100*o}%`,y1:"1",y2:"21",children:n("title",{children:"seen"})})]})}),n("td",{class:"n strong",children:b(e.share)}),
n("td",{class:"n",children:b(e.seen)}),n("td",{class:"n",children:S(e.units)}),n("td",{class:"n",children:S(e.requests)}),n("td",{class:"n",children:b(e.errorRate,
2)}),n("td",{class:"n",children:le(e.p50Seconds)}),n("td",{class:"n",children:le(e.p95Seconds)}),n("td",{class:"n",children:le(e.p99Seconds)}),n("td",{class:"n \
strong",children:b(e.reward?.value,2)}),n("td",{class:"n quiet",children:e.reward?`${b(e.reward.low,2)} to ${b(e.reward.high,2)}`:"–"})]})}function Vt(e){let t=e.flatMap(s=>[s.interval?.low??0,s.interval?.high??0,1.2*(s.limit??0)]);return G(Math.max(...t.map(Math.abs))||.1)}function Je({view:e}){let t=(e.
findings??[]).filter(a=>!re(a)&&!ie(e,a.version)),s=t.filter(a=>!a.slice),o=e.versions[0]?.name??"the baseline",r=Vt(t);if(e.versions.length<2)return null;let i=a=>u=>u.
version===a.version&&u.role===a.role&&u.metric===a.metric,l=t.filter(a=>a.slice&&!s.some(u=>i(u)(a)));return n("section",{class:"panel","aria-labelledby":"compa\
risons",children:[n("h2",{id:"comparisons",children:["Difference to ",o]}),t.length===0&&n("p",{class:"empty",children:"Nothing is compared: no reward or guardr\
ail was judged."}),[...s,...l].map(a=>n("div",{children:[n(Tt,{f:a,reach:r,index:e.versions.findIndex(u=>u.name===a.version)}),!a.slice&&t.filter(u=>u.slice&&i(
a)(u)).map(u=>n(Ft,{f:u,reach:r},u.slice))]},a.version+a.role+a.metric+a.slice)),t.length>0&&n(Dt,{reach:r,margins:t.some(a=>a.limit)})]})}var V=(e,t)=>`${50+50*
Math.max(-1,Math.min(1,e/t))}%`;function Ke(e){return e.hidden?"hidden until the horizon":e.interval?`${z(e.estimate)} points, ${b(e.level,3).replace(/\.?0+%/,"\
%")} interval ${z(e.interval.low)} to ${z(e.interval.high)}`:"no matured outcomes yet"}function Tt({f:e,reach:t,index:s}){let o=Ke(e),r=e.need?`, about ${S(e.need)}\
 more are needed`:"";return n("div",{class:"finding",children:[n("p",{class:"row",children:[n("b",{children:[n(j,{index:s}),e.version,": ",e.question]}),n(K,{status:e.
status})]}),!e.hidden&&n(Qe,{f:e,reach:t,height:44,label:`${e.metric} of ${e.version}: ${o}`}),n("p",{class:"row numbers",children:[n("span",{children:o}),n("sp\
an",{class:"quiet",children:[ze(e.guarantee),", ",S(e.n)," ",e.basis,r,e.owner&&`; owner ${e.owner}`]})]})]})}function Ft({f:e,reach:t}){let s=Ke(e);return n("d\
iv",{class:"slice",children:[n("p",{class:"row",children:[n("span",{children:e.question}),n(K,{status:e.status})]}),!e.hidden&&n(Qe,{f:e,reach:t,height:24,label:`${e.
metric} of ${e.version} in ${e.slice}: ${s}`}),n("p",{class:"row numbers",children:[n("span",{children:s}),n("span",{class:"quiet",children:[S(e.n)," ",e.basis]})]})]})}
function Qe({f:e,reach:t,height:s,label:o}){let r=Math.abs(e.limit??0),i=J(e.status),l=s/2,a=s/5.5;return n("svg",{class:"plot",height:s,role:"img","aria-label":o,
children:[r>0&&n(k,{children:[n("rect",{class:"band",x:V(-r,t),width:`${100*r/t}%`,y:"0",height:s}),n("line",{class:"margin",x1:V(-r,t),x2:V(-r,t),y1:"0",y2:s}),
n("line",{class:"margin",x1:V(r,t),x2:V(r,t),y1:"0",y2:s})]}),n("line",{class:"zero",x1:"50%",x2:"50%",y1:"0",y2:s}),e.interval&&n("g",{class:`whisker ${i}`,children:[
n("line",{x1:V(e.interval.low,t),x2:V(e.interval.high,t),y1:l,y2:l}),n("line",{x1:V(e.interval.low,t),x2:V(e.interval.low,t),y1:l-a,y2:l+a}),n("line",{x1:V(e.interval.
high,t),x2:V(e.interval.high,t),y1:l-a,y2:l+a}),e.estimate!==void 0&&n("circle",{cx:V(e.estimate,t),cy:l,r:s>30?6:4.5})]})]})}function Dt({reach:e,margins:t}){let s=e<
.04?1:0;return n(k,{children:[n("svg",{class:"axis",height:"20","aria-hidden":"true",children:[n("line",{x1:"0",x2:"100%",y1:"0.5",y2:"0.5"}),[-1,-.5,0,.5,1].map(
o=>n("g",{children:[n("line",{x1:`${50+50*o}%`,x2:`${50+50*o}%`,y1:"0",y2:"5"}),n("text",{x:`${50+50*o}%`,y:"17","text-anchor":o===-1?"start":o===1?"end":"middl\
e",children:[z(o*e,s),o===1?" points":""]})]},o))]}),n("p",{class:"note",children:["Line: zero, no difference.",t&&" Shaded: smaller than the effect that matter\
s."]})]})}var Ze={start:"●",advance:"▲",hold:"▬",rollback:"▼",promote:"★",stop:"■",pause:"‖",resume:"▶",retry:"↻",remove:"✕",shift:"⇄",approve:"✓",
learn:"◐"},Ye={rollback:"bad",remove:"bad",promote:"good"},Xe=e=>e.split("/").map(t=>Number.parseFloat(t)/100||0);function et({view:e}){return n("section",{class:"\
panel","aria-labelledby":"decisions",children:[n("h2",{id:"decisions",children:"Decisions"}),e.versions.length>1&&n(Pt,{view:e}),n("ol",{class:`decisions ${e.versions.
length>3?"many":""}`,reversed:!0,children:[...e.decisions].reverse().map(t=>n(Ct,{d:t},t.at+t.code))})]})}function Ct({d:e}){return n("li",{class:"decision",children:[
n("time",{dateTime:e.at,children:C(e.at)}),n("span",{class:`act ${Ye[e.act]??"going"}`,children:[n("span",{"aria-hidden":"true",children:Ze[e.act]??"◆"})," ",
e.act]}),n("span",{class:"shift",children:e.from===e.to?e.to:`${e.from} → ${e.to}`}),n("span",{class:"why",children:[e.reasons.join("; ")," ",n("span",{class:"\
quiet code",children:e.code}),e.groups&&n("span",{class:"groups",children:e.groups.map(t=>`${t.slice} ${t.shares}`).join(" · ")})]})]})}var be=16,I=72;function Pt({
view:e}){let t=e.decisions,s=Date.parse(t[0]?.at??e.at),o=Math.max(Date.parse(e.at),Date.parse(t[t.length-1]?.at??e.at),s+1e3),r=u=>2+96*(Date.parse(u)-s)/(o-s),
i=u=>be+(I-be)*(1-u),l=t.map(u=>`${C(u.at)} ${u.act} to ${u.to}`).join(", "),a=e.versions.slice(1).map((u,d)=>d+1);return n("svg",{class:"strip",height:I+18,role:"\
img","aria-label":`Share of the candidates over time: ${l}`,children:[n("line",{class:"grid",x1:"2%",x2:"98%",y1:i(1),y2:i(1)}),n("line",{class:"grid",x1:"2%",x2:"\
98%",y1:i(.5),y2:i(.5)}),n("line",{class:"base",x1:"2%",x2:"98%",y1:i(0),y2:i(0)}),t.map(u=>n("line",{class:"rule",x1:`${r(u.at)}%`,x2:`${r(u.at)}%`,y1:be,y2:I},
u.at)),a.flatMap(u=>t.map((d,p)=>{let h=t[p+1],f=Xe(d.to)[u]??0,c=Xe(d.from)[u]??0,m=`${r(d.at)}%`,x=h?`${r(h.at)}%`:"98%";return n("g",{class:`step v${u}`,children:[
n("line",{x1:m,x2:m,y1:i(c),y2:i(f)}),n("line",{x1:m,x2:x,y1:i(f),y2:i(f)})]},`${u} ${d.at}`)})),t.map(u=>n("text",{class:`glyph ${Ye[u.act]??"going"}`,x:`${r(u.
at)}%`,y:"11","text-anchor":"middle",children:Ze[u.act]??"◆"},u.at)),n("text",{class:"tick",x:"2%",y:I+15,children:R(s,o-s)}),n("text",{class:"tick",x:"98%",y:I+
15,"text-anchor":"end",children:R(o,o-s)}),n("text",{class:"tick",x:"50%",y:I+15,"text-anchor":"middle",children:["share of ",e.versions.slice(1).map(u=>u.name).
join(", "),", 0 to 100%"]})]})}var tt=e=>e.health.ok?O(e)?2:1:0;function nt({views:e,lost:t}){document.title=`${e.length} experiments · Headgate`;let s=[...e].sort((o,r)=>tt(o)-tt(r)||T(o).localeCompare(
T(r)));return n(k,{children:[n("header",{children:[n("span",{class:"brand",children:"Headgate"}),n("h1",{children:[e.length," experiments"]}),n("span",{class:`c\
onnection ${t?"lost":"polling"}`,children:n("span",{class:"mode",children:t?"connection lost":"asked every 5 s"})})]}),n("main",{children:n("section",{class:"pa\
nel scroll","aria-label":"Experiments",tabIndex:0,children:[n("table",{class:"list",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"\
experiment"}),n("th",{scope:"col",children:"verdict"}),n("th",{scope:"col",children:"stage"}),n("th",{scope:"col",class:"n",children:"candidates"}),n("th",{scope:"\
col",children:"evidence"})]})}),n("tbody",{children:s.map(o=>n("tr",{children:[n("th",{scope:"row",children:n("a",{href:`?name=${encodeURIComponent(T(o))}`,children:T(
o)})}),n("td",{class:"sentences",children:[o.verdict.sentence,o.notices?.map(r=>n("p",{class:"note",children:r.text},r.text))]}),n("td",{children:o.stage.name}),
n("td",{class:"n",children:b(o.versions.slice(1).reduce((r,i)=>r+i.share,0),0)}),n("td",{children:n("span",{class:`status ${o.health.ok?"good":"warn"}`,children:o.
health.ok?"ok":"not to be trusted"})})]},T(o)))})]}),s.length===0&&n("p",{class:"empty",children:"No experiment runs here."})]})})]})}function ot({view:e}){let{stage:t,bandit:s,mirror:o,warm:r,spent:i}=e,l=r?.waits??t.waits??[];return!l.length&&!s&&!o&&!i&&!t.approval?null:n("section",{class:"\
panel","aria-labelledby":"pattern",children:[n("h2",{id:"pattern",children:r?`${r.baseline} is kept warm, then: ${r.then}`:`Stage ${t.name} (${t.kind})`}),s&&n(
Et,{view:e}),o&&n("p",{children:[b(o.share,0)," of the requests copied, ",S(o.pairs),o.want?` of ${S(o.want)}`:""," pairs",o.costCap?`, cost ${(o.cost??0).toFixed(
2)} of at most ${o.costCap.toFixed(2)}`:"",".",o.copies.map(a=>n("span",{class:"quiet",children:[" ",a.version,": ",S(a.sent)," copies, ",S(a.failed)," failed o\
r too late."]},a.version))]}),n("ul",{class:"waits",children:[l.map(a=>n(st,{w:a},a.what)),t.approval&&!r&&n(st,{w:{what:`the approval of ${t.approval.owner}`,done:t.
approval.given}})]}),t.approval&&!t.approval.given&&n("p",{class:"note",children:[t.approval.awaited?"Nothing else is missing.":"It can be given before the rest\
 is had."," ",n("code",{children:["headgate approve ",T(e)," --reason …"]})]}),i&&n(jt,{view:e})]})}function st({w:e}){let{have:t=0,want:s=0}=e,o=r=>e.unit===
"seconds"?F(r):e.unit==="probability"?r.toFixed(2):S(Math.floor(r));return n("li",{class:e.done?"had":void 0,children:[n("span",{"aria-hidden":"true",children:e.
done?"✓":"○"}),n("span",{class:"unseen",children:e.done?"had: ":"awaited: "}),n("span",{children:[e.what,e.owner&&n("span",{class:"quiet",children:[" (",e.owner,
")"]})]}),n("span",{class:"quiet",children:e.unit?`${o(t)} of ${o(s)}`:e.until?`until ${R(e.until,864e5)}`:""}),e.unit&&n("span",{class:"rail","aria-hidden":"tr\
ue",children:n("span",{style:{width:`${100*Math.min(1,t/s)}%`}})})]})}function Et({view:e}){let t=e.bandit,s=[...new Set(t.arms.map(r=>r.slice??""))],o=t.next?`\
, the next at ${R(t.next,0)}`:"";return n(k,{children:[n("p",{children:[t.policy,", ",n("b",{children:t.mode}),t.why&&` (${t.why})`,", ",t.updates," updates",o]}),
n("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"pattern",children:n("table",{class:"arms",children:[n("thead",{children:n("tr",{children:[n(
"th",{scope:"col",children:"arm"}),n("th",{scope:"col",class:"bar"}),n("th",{scope:"col",class:"n",children:"share"}),n("th",{scope:"col",class:"n",children:"P(\
best)"}),n("th",{scope:"col",class:"n",children:"reward, 95%"}),n("th",{scope:"col",class:"n",children:"units"})]})}),s.map(r=>n("tbody",{children:[r&&n("tr",{children:n(
"th",{scope:"rowgroup",colSpan:6,class:"group",children:r})}),t.arms.filter(i=>(i.slice??"")===r).map(i=>n(At,{a:i,index:e.versions.findIndex(l=>l.name===i.version)},
i.version))]},r))]})}),n("p",{class:"note",children:"Adaptively weighted; no error rate is claimed for P(best)."})]})}function At({a:e,index:t}){return n("tr",{
class:e.removed?"gone":void 0,children:[n("th",{scope:"row",children:[n(j,{index:t}),e.version]}),n("td",{class:"bar",children:n("svg",{class:"share",height:"16",
"aria-hidden":"true",children:[n("rect",{class:"rail",x:"0",y:"4",width:"100%",height:"8",rx:"3"}),n("rect",{class:`fill v${t}`,x:"0",y:"4",width:`${100*e.share}\
%`,height:"8",rx:"3"})]})}),n("td",{class:"n strong",children:b(e.share)}),n("td",{class:"n",children:e.best===void 0?"–":e.best.toFixed(2)}),n("td",{class:"n",
children:e.reward?n(k,{children:[b(e.reward.value)," ",n("span",{class:"quiet",children:[b(e.reward.low)," to ",b(e.reward.high)]})]}):"–"}),n("td",{class:"n",
children:S(e.n)})]})}function jt({view:e}){let{cost:t,units:s,elapsedSeconds:o,budget:r,over:i}=e.spent,l=r&&[r.cost&&`cost ${r.cost.toFixed(2)}`,r.units&&`${S(
r.units)} units`,r.durationSeconds&&F(r.durationSeconds)].filter(Boolean).join(", ");return n("p",{class:"small quiet",children:["Spent: cost ",(t??0).toFixed(2),
", ",S(s??0)," units on candidates, ",F(o),l&&`; the budget: ${l}, then ${r.onExceeded}`,".",i&&n("b",{class:"over",children:[" Exceeded in ",i.join(", "),"."]})]})}
function rt({view:e}){let{flips:t,flipsTogether:s}=e;if(!t?.length)return null;let o=t.length<2?"":s?": all of it":": any one";return n("section",{class:"panel",
"aria-labelledby":"flips",children:[n("h2",{id:"flips",children:["What would make it otherwise",o]}),n("ul",{class:"flips",children:t.map(r=>n("li",{children:r.
text},r.text))})]})}function qt(e){if(!e.health.ok||e.notices?.some(t=>t.kind==="override")||e.stage.approval?.awaited)return"warn";switch(e.verdict.outcome){case"promoted":case"ob\
jectives-met":return"good";case"rolled-back":case"objectives-violated":return"bad";case void 0:case"":return e.condition==="paused"?"warn":"going";default:return"\
neutral"}}function it({view:e}){let{sentence:t}=e.verdict,s=t.indexOf("  "),o=s<0?"":t.slice(0,s),r=s<0?t:t.slice(s);return n("section",{class:`verdict ${qt(e)}`,
"aria-label":"Verdict",children:[n("p",{class:"sentence",id:"verdict",children:[n("strong",{children:o}),r]}),n(Lt,{view:e}),n(Wt,{view:e})]})}var ye={key:"",text:""};
function Wt({view:e}){let t=e.verdict,s=[e.condition,e.stage.number,e.stage.step,t.outcome,e.health.ok,e.decisions.length].join();return s!==ye.key&&(ye={key:s,
text:t.sentence}),n("p",{class:"unseen",role:"status","aria-live":"polite",children:ye.text})}function Lt({view:e}){let t=e.stage,s=t.steps>1?`, step ${t.step} \
of ${t.steps}`:"";return n("div",{class:"progress",children:[n("div",{class:"track",role:"progressbar","aria-label":"Stage","aria-valuemin":0,"aria-valuemax":100,
"aria-valuenow":Math.round(100*t.progress),children:Array.from({length:t.of},(o,r)=>{let i=r+1<t.number?1:r+1===t.number?t.progress:0;return n("span",{class:"st\
age",children:n("span",{class:"filled",style:{width:`${100*i}%`}})},r)})}),n("p",{children:[n("span",{children:["stage ",t.number," of ",t.of,": ",n("b",{children:t.
name})," (",t.kind,")",s,t.where&&`, requests with ${t.where}`]}),n("span",{children:["reason ",n("span",{class:"code",children:e.verdict.code})]}),n("span",{class:"\
numbers",children:[b(t.progress,0)," after ",F(t.elapsedSeconds),", ",F(e.elapsedSeconds)," in all"]})]})]})}function at({notices:e}){return n(k,{children:e?.map(
t=>n("p",{class:`banner ${t.kind==="override"||t.kind==="harm"?"warn":"info"} notice`,children:t.text},t.text))})}function lt({health:e}){let t=`sample-ratio e-\
value ${Ue(e.mismatchEValue)}, alarm at 1,000`;return e.ok?n("p",{class:"health",id:"health",children:[n("span",{class:"status good",children:"evidence ok"})," ",
t]}):n("div",{class:"banner warn",id:"health",role:"alert",children:[n("b",{children:"The evidence cannot be trusted now."})," Do not use the numbers below; the\
y raise no share and promote nothing.",n("ul",{children:(e.trouble??[]).map(s=>n("li",{children:s},s))}),n("span",{class:"small",children:t})]})}function ct({view:e}){let t=(e.findings??[]).filter(o=>re(o)&&!ie(e,o.version)),s=[...new Set(t.map(o=>o.question))];return n("section",{class:"panel","aria-lab\
elledby":"objectives",children:[n("h2",{id:"objectives",children:["Objectives",t.some(o=>o.role==="gate")&&" and gates"]}),s.length===0&&n("p",{class:"empty",children:"\
The plan has no objectives."}),s.map(o=>n(Rt,{question:o,rows:t.filter(r=>r.question===o),view:e},o))]})}function Nt(e,t){let[,s]=e.split(" <= ");return!s||s.endsWith(
"%")?"":`requests over ${s}, at most ${b(t,2).replace(/\.?0+%/,"%")} of all`}function Ot(e,t){let s=e[0]?.limit??0,o=e.flatMap(l=>[l.estimate??s,l.interval?.low??
s,l.interval?.high??s]);if(t){let l=Math.min(Math.max(1-Math.min(...o),1.2*(1-s)),Math.max(4*(1-s),1.2*(1-Math.min(s,...e.map(a=>a.estimate??1)))));return[Math.
max(0,1-G(Math.max(l,1e-4))),1]}let r=e.map(l=>l.estimate??0),i=Math.min(Math.max(...o,2*s),Math.max(4*s,1.2*Math.max(...r)));return[0,G(Math.max(i,1e-4))]}var ut=(e,t,s)=>2+
96*(e-t)/(s-t);function Rt({question:e,rows:t,view:s}){let o=e.includes(" >= "),[r,i]=Ot(t,o),l=t[0]?.limit,a=t[0]?.owner,u=[t[0]?.role==="gate"?"gate":"",Nt(e,
l),a?`owner ${a}`:""].filter(Boolean).join("; "),d=l===void 0?void 0:ut(l,r,i),p=h=>b(h,2).replace(/\.?0+%/,"%");return n("div",{class:"objective",children:[n("\
p",{class:"row",children:[n("b",{children:e}),n("span",{class:"quiet",children:u})]}),n("table",{children:[n("thead",{class:"unseen",children:n("tr",{children:[
n("th",{scope:"col",children:"version"}),n("th",{scope:"col",children:"plot"}),n("th",{scope:"col",children:"estimate"}),n("th",{scope:"col",children:"interval"}),
n("th",{scope:"col",children:"status"})]})}),n("tbody",{children:[t.map(h=>n("tr",{children:[n("th",{scope:"row",children:[n(j,{index:s.versions.findIndex(f=>f.
name===h.version)}),h.version]}),n("td",{class:"wide",children:n(Ht,{f:h,from:r,to:i,least:o})}),n("td",{class:"n strong",children:b(h.estimate,2)}),n("td",{class:"\
n interval",children:h.interval?`${b(h.interval.low,2)} to ${b(h.interval.high,2)}`:"–"}),n("td",{class:"s",children:n(K,{status:h.status})})]},h.version+h.role)),
n("tr",{class:"scale","aria-hidden":"true",children:[n("td",{}),n("td",{class:"wide",children:n("svg",{class:"axis",height:"16",children:[!(d<22)&&n("text",{x:"\
2%",y:"12","text-anchor":"start",children:p(r)}),!(d>78)&&n("text",{x:"98%",y:"12","text-anchor":"end",children:p(i)}),l!==void 0&&n("text",{x:`${d}%`,y:"12","t\
ext-anchor":d<10?"start":d>90?"end":"middle",children:[n("tspan",{class:"word",children:"limit "}),p(l)]})]})}),n("td",{colSpan:3})]})]})]})]})}function Ht({f:e,
from:t,to:s,least:o}){let r=a=>ut(a,t,s),i=a=>`${Math.max(0,Math.min(100,r(a)))}%`,l=e.limit??s;return n("svg",{class:"plot small",height:"24","aria-hidden":"tr\
ue",children:[n("rect",{class:"forbidden",x:o?0:i(l),width:o?i(l):`${100-r(l)}%`,y:"0",height:"24"}),n("line",{class:"limit",x1:i(l),x2:i(l),y1:"0",y2:"24"}),e.
interval&&n("g",{class:`whisker ${J(e.status)}`,children:[n("line",{x1:i(e.interval.low),x2:i(e.interval.high),y1:"12",y2:"12"}),r(e.interval.low)>=0&&n("line",
{x1:i(e.interval.low),x2:i(e.interval.low),y1:"7",y2:"17"}),r(e.interval.high)<=100&&n("line",{x1:i(e.interval.high),x2:i(e.interval.high),y1:"7",y2:"17"}),e.estimate!==
void 0&&n("circle",{cx:i(e.estimate),cy:"12",r:"4.5"})]})]})}var It=30;function Ut(e,t){let s=Math.max(0,(t-Date.parse(e.at))/1e3),o=O(e);return{age:s,final:o,old:!o&&s>It}}function pt({state:e,now:t}){let s=e.view;if(e.list)
return n(nt,{views:e.list,lost:e.mode==="lost"});if(!s)return n(Bt,{state:e});let o=Ut(s,t),r=T(s),i=s.verdict.sentence.split("  ")[0],l=s.health.ok?"":"untrust\
ed";return document.title=`${i} · ${r} · Headgate`,n(k,{children:[n("header",{children:[n("span",{class:"brand",children:B?n("a",{href:"./",children:"Headgate"}):
"Headgate"}),n("h1",{children:r}),n("span",{class:"plan",title:`plan ${s.plan}`,children:["plan ",s.plan.slice(0,8)]}),n(Gt,{state:e,fresh:o})]}),n("main",{class:o.
old?"old":void 0,children:[n(it,{view:s}),n(at,{notices:s.notices}),n(lt,{health:s.health}),n("div",{class:"results",children:[n("div",{class:l,children:n(Ge,{view:s})}),
n("div",{class:"columns",children:[n("div",{class:`stack ${l}`,children:[n(Je,{view:s}),n(ct,{view:s})]}),n("div",{class:"stack",children:[n(ot,{view:s}),n(rt,{
view:s}),n(et,{view:s})]})]})]})]}),n(Jt,{state:e,view:s,fresh:o}),n("footer",{children:["Read-only. Times are of this browser. ",n("a",{href:ge,children:"JSON"}),
" · ",n("a",{href:"metrics",children:"metrics"})," · ",n("a",{href:"LICENSES.txt",children:"licenses"})]})]})}function Bt({state:e}){let t=e.mode==="lost"?"He\
adgate does not answer. Is it running? Trying again every few seconds.":"Waiting for the first view…";return n("p",{class:"plain",role:"status",children:t})}var zt={
connecting:"connecting",live:"live",polling:"polling every 5 s",lost:"connection lost",ended:"Headgate has stopped"};function Gt({state:e,fresh:t}){let s=t.age<
1.5?"last update just now":`last update ${F(t.age)} ago`;return n("span",{class:`connection ${e.mode}`,id:"connection",children:[n("span",{class:"mode",children:t.
final&&e.mode==="live"?"finished":zt[e.mode]}),n("span",{class:"age",children:t.final?"these results are final":s})]})}function Jt({state:e,view:t,fresh:s}){let o="";
return e.mode==="ended"&&!s.final?o=`Headgate has stopped. This is the last it said, at ${C(t.at)}; started again, the run goes on where it was.`:e.mode==="lost"&&
(o=`The connection is lost. This is the state of ${C(t.at)}; trying again every few seconds.`),s.old&&(o+=` What is shown is ${F(s.age)} old, so the verdict is \
not known now.`),o?n("p",{class:`banner float ${s.old||e.mode==="lost"?"warn":"info"}`,id:"lost",role:"alert",children:o.trim()}):null}var Kt=document.getElementById("app"),we={mode:"connecting",skew:0},dt=()=>qe(n(pt,{state:we,now:Date.now()-we.skew}),Kt);He(e=>{we=e,dt()});setInterval(dt,1e3);
