var w,qe,Vt,j,_e,ie,Ne,ne,Ee,ve,be,Ct,K=Symbol.for("pv"),ae={},le=[],Pt=/^m(i|n|o|s|text|space)$/,we=Array.isArray,Le=le.slice,U=Object.assign;function I(e){e&&
e.parentNode&&e.remove()}function se(e,t,s,r,o){var i={type:e,props:t,key:s,ref:r,__k:null,__:null,__b:0,__e:null,__c:null,constructor:K,__v:o||++qe,__i:-1,__u:0};return!o&&w.vnode&&w.vnode(
i),i}function g(e){return e.children}function re(e,t){this.props=e,this.context=t,this.__g=0}function R(e,t){if(t==null)return e.__&&R(e.__,e.__i+1);for(var s;t<e.__k.
length;t++)if((s=e.__k[t])&&s.__e)return s.__e;return typeof e.type!="function"||e.props.__P?null:R(e)}function Tt(e){var t,s=e.__v,r=s.__e,o=[],i=[],a=e.__P;a&&
((t=U({constructor:K},s)).__v=s.__v+1,w.vnode&&w.vnode(t),ye(a,t,s,e.__n,a.namespaceURI,32&s.__u?[r]:null,o,r||R(s),32&s.__u,i),t.__v=s.__v,t.__.__k[t.__i]=t,Ue(
o,t,i),s.__=s.__e=null,t.__e!=r&&je(t))}function je(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),je(e)}
function De(e){(8&e.__g||(e.__g|=8,j.push(e),ie++))&&_e==w.debounceRendering||((_e=w.debounceRendering)||queueMicrotask)(Re)}function Re(){try{for(var e,t=1;j.length;)
j.length>t&&j.sort(Ne),e=j.shift(),t=j.length,8&e.__g&&Tt(e)}finally{(ie=j.length)&&(_e||queueMicrotask)(Re)}}function We(e,t,s,r,o,i,a,l,u,p,d){var m,h,c,f,$,v,
y=r.__k||le,b=t.length;for(u=Ft(s,t,y,u,b),m=0;m<b;m++)(c=s.__k[m])!=null&&(h=~c.__i&&y[c.__i]||ae,c.__i=m,v=ye(e,c,h,o,i,a,l,u,p,d),f=c.__e,(h.ref!=c.ref||8&h.
__u)&&(h.ref&&xe(h.ref,null,c,h),c.ref&&d.push(c.ref,c.__c||f,c)),$=$||f,4&c.__u?(u=Oe(c,u,e,!h.__v),h.__e&&(h.__e=null)):typeof c.type=="function"&&v!==void 0?
u=v:f&&(u=f.nextSibling),c.__u&=-21);return s.__e=$,u}function Ft(e,t,s,r,o){var i,a,l,u,p,d,m,h,c,f=s.length,$=f,v=0,y=0,b=e.__k=Array(o);for(i=0;i<o;i++)(a=t[i])!=
null&&typeof a!="boolean"&&typeof a!="function"?(typeof a!="object"||a.constructor===String?a=b[i]=se(null,a):we(a)?a=b[i]=se(g,{children:a}):a.constructor===K&&
a.__b?a=b[i]=se(a.type,a.props,a.key,a.ref,a.__v):b[i]=a,u=i+v,a.__=e,a.__b=e.__b+1,l=null,~(p=a.__i=Dt(a,s,u,$))&&($--,(l=s[p])&&(l.__u|=2)),l&&l.__v?(a.__u|=16,
p==u-1?v--:p==u+1?v++:p!=u&&(p>u?v--:v++,y=1)):(~p||(o>f?v--:o<f&&v++),typeof a.type!="function"&&(a.__u|=4))):b[i]=null;if(y){for(d=[],m=[],i=0;i<o;i++)if((a=b[i])&&
16&a.__u){for(v=0,h=d.length;v<h;)d[c=v+h>>1]<a.__i?v=c+1:h=c;d[v]=a.__i,m[i]=v+1}for(v=d.length;i--;)m[i]&&(m[i]==v?v--:b[i].__u|=4)}if($)for(i=0;i<f;i++)!(l=s[i])||
2&l.__u||(l.__e==r&&(r=R(l)),ke(l,l));return r}function Oe(e,t,s,r){var o,i,a,l;if(typeof e.type=="function"){if(e.props.__P)return t;if(o=e.__k)for(i=0;i<o.length;i++)
o[i]&&(o[i].__=e,t=Oe(o[i],t,s,!1));return t}for(t&&!t.parentNode&&(t=R(e))&&!t.parentNode&&(t=null),a=e.__e,l=t;l&&l.nodeType==8;)l=l.nextSibling;for(a!=l&&(!r&&
s.moveBefore&&a.parentNode?s.moveBefore(a,t):s.insertBefore(a,t||null)),t=a;(t=t&&t.nextSibling)&&t.nodeType==8&&!t.data.startsWith("$s"););return t}function Dt(e,t,s,r){var o,i=e.key,a=e.type,l=t[s],u=l&&!(2&l.__u);if(l===null&&i==null||u&&i==l.key&&a==l.type)return s;if(r>(u?1:0)){for(o=s-1;o>=0;o--)if((l=
t[o])&&!(2&l.__u)&&i==l.key&&a==l.type)return o;for(o=s+1;o<t.length;o++)if((l=t[o])&&!(2&l.__u)&&i==l.key&&a==l.type)return o}return-1}function Ae(e,t,s){s==null&&
(s=""),t[0]=="-"?e.setProperty(t,s):e[t]=s}function te(e,t,s,r,o){var i,a;if(t=="style")if(typeof s=="string")e.style.cssText=s;else{if(typeof r=="string"&&(e.style.
cssText=r=""),r)for(t in r)s&&t in s||Ae(e.style,t);if(s)for(t in s)r&&s[t]==r[t]||Ae(e.style,t,s[t])}else if(t[0]=="o"&&t[1]=="n")typeof s!="function"&&(s=null),
typeof r!="function"&&(r=null),(e.__e||(e.__e={}))[t]=s,s&&r||(a=be[t]||(be[t]=At(t)),(e.__a||(e.__a={}))[t]=ve,i=t!=(t=t.replace(Ee,"$1")),(t=t.slice(2))[0]<"a"&&
(t=t.toLowerCase()),s?e.addEventListener(t,a,i):e.removeEventListener(t,a,i));else{if(o=="http://www.w3.org/2000/svg")t=t.replace(/xlink(H|:h)/,"h").replace(/sName$/,
"s");else if(t!="width"&&t!="height"&&t!="href"&&t!="list"&&t!="form"&&t!="tabIndex"&&t!="download"&&t!="rowSpan"&&t!="colSpan"&&t!="role"&&t!="popover"&&t in e)
try{return void(e[t]=s??"")}catch{}if(typeof s=="function")return;s==null||s===!1&&t[4]!="-"?e.removeAttribute(t):e.setAttribute(t,t=="popover"&&s==1?"":s)}}function At(e){
return function(t){var s=this.__e;if(s){if(s=s[e],t[ne]==null)t[ne]=ve++;else if(t[ne]<this.__a[e])return;return s(w.event?w.event(t):t)}}}function ye(e,t,s,r,o,i,a,l,u,p){
var d,m,h,c,f,$,v,y,b,S,x,ge,Te,ee,W,Fe,L,O,A=t.type;if(t.constructor!==K)return null;128&s.__u&&(u=32&s.__u,d=s.__c.__z)&&(t.__u|=u,m=i=[],d.nodeType==8?l=oe(d,
i):i.push(d),l=i[0]||l),(d=w.__b)&&d(t);e:if(typeof A=="function"){h=a.length;try{if(y=t.props,b=(d=A.prototype)&&d.render,S=(d=A.contextType)&&r[d.__c],x=d?S?S.
props.value:d.__:r,(c=s.__c)?(t.__c=c,2&c.__g&&(c.__g|=1)):(b?t.__c=c=new A(y,x):(t.__c=c=new re(y,x),c.constructor=A,c.render=Nt),S&&S.sub(c),c.state||(c.state=
{}),c.__n=r,c.__g|=8,c.__h=[],c.__k=[]),b&&(c.__s||(c.__s=c.state),A.getDerivedStateFromProps&&(c.__s==c.state&&(c.__s=U({},c.__s)),U(c.__s,A.getDerivedStateFromProps(
y,c.__s)))),f=c.props,$=c.state,c.__v=t,s.__c){if(y!==f&&b&&!A.getDerivedStateFromProps&&c.componentWillReceiveProps&&c.componentWillReceiveProps(y,x),t.__v==s.
__v&&!(8&c.__g)||!(4&c.__g)&&c.shouldComponentUpdate&&c.shouldComponentUpdate(y,c.__s,x)===!1){t.__v!=s.__v&&(c.props=y,c.state=c.__s,c.__g&=-9),t.__e=s.__e,t.__k=
s.__k,t.__k.some(function(C){C&&(C.__=t)}),le.push.apply(c.__h,c.__k),c.__k=[],c.__h.length&&a.push(c),l=R(s);break e}c.componentWillUpdate&&c.componentWillUpdate(
y,c.__s,x),b&&c.componentDidUpdate&&c.__h.push(function(){c.componentDidUpdate(f,$,v)})}else b&&!A.getDerivedStateFromProps&&c.componentWillMount&&c.componentWillMount(),
b&&c.componentDidMount&&c.__h.push(c.componentDidMount);c.context=x,c.props=y,c.__P=e,c.__g&=-5,ge=w.__r,Te=b?25:0;do c.__g&=-9,ge&&ge(t),d=c.render(c.props,c.state=
c.__s,c.context);while(8&c.__g&&++Te<25);b&&(le.push.apply(c.__h,c.__k),c.__k=[]),c.state=c.__s,c.getChildContext&&(r=U({},r,c.getChildContext())),b&&s.__c&&c.getSnapshotBeforeUpdate&&
(v=c.getSnapshotBeforeUpdate(f,$)),ee=d&&d.type===g&&d.key==null?d.props.children:d,y.__P&&(d=l,o=(e=y.__P).namespaceURI,u=i=null,s.props&&s.props.__P!=e&&(s.__k.
some(function(C){C&&ke(C,C)}),s.__k=null),l=s.__k?R(s,0):null),l=We(e,we(ee)?ee:[ee],t,s,r,o,i,a,l,u,p),y.__P&&(t.__e=null,l=d),t.__u&=-161,m&&m.some(I),c.__h.length&&
a.push(c),1&c.__g&&(c.__g&=-4)}catch(C){if(a.length=h,t.__v=null,u||i)if(C&&C.then){if(t.__u|=128|u,i){for(~(L=i.indexOf(l||void 0))||(L=i.length);(O=i[L-1])&&O.
nodeType==8;)L--;for(;L<i.length;L++)if(O=i[L])if(i[L]=null,W){if(O==Fe)break}else{if(O.nodeType!=8)break;O.data.startsWith("$s")&&(Fe=oe(W=O))}}if(!W){for(;l&&
l.nodeType==8&&l.nextSibling;)l=l.nextSibling;W=l}(d=oe(W=t.__c.__z||(t.__c.__z=W)))?(t.__e=W,l=d):t.__e=l,l=l&&l.nextSibling}else i&&i.some(I);else t.__e=s.__e;
t.__k||(t.__k=s.__k||[]),C&&C.then||Ie(t),w.__e(C,t,s)}}else l=t.__e=qt(s.__e,t,s,r,o,i,a,u,p,e);return(d=w.diffed)&&d(t),l}function oe(e,t){if(e&&e.nodeType==8&&
e.data.startsWith("$s"))for(var s=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith("$s"))s++;else if(e.data.startsWith("/$s")&&!--s)return e}t&&t.push(
e)}}function Ie(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(Ie))}function Ue(e,t,s){for(var r=0;r<s.length;)xe(s[r++],s[r++],s[r++]);w.__c&&w.__c(t,e),e.some(
function(o){try{e=o.__h,o.__h=[],e.some(function(i){i.call(o)})}catch(i){w.__e(i,o.__v)}})}function qt(e,t,s,r,o,i,a,l,u,p){var d,m,h,c,f,$,v,y,b=s.props||ae,S=t.
props,x=t.type;if(x=="svg"?o="http://www.w3.org/2000/svg":x=="math"?o="http://www.w3.org/1998/Math/MathML":o||(o="http://www.w3.org/1999/xhtml"),i){for(d=0;d<i.
length;d++)if((f=i[d])&&(x?f.localName==x:f.nodeType==3)){e=f,i[d]=null;break}}if(!e){if(y=p.ownerDocument||document,!x)return y.createTextNode(S);e=y.createElementNS(
o,x,S.is?S:p),l&&(w.__m&&w.__m(t,i),l=!1),i=null}if(x){if(p=x=="template"&&e.content||e,i=x=="textarea"&&S.defaultValue!=null?null:i&&Le.call(p.childNodes),!l&&
i)for(b={},d=0;d<e.attributes.length;d++)b[(f=e.attributes[d]).name]=f.value;for(d in b)f=b[d],d=="dangerouslySetInnerHTML"?h=f:d=="children"||d in S||d=="value"&&
"defaultValue"in S||d=="checked"&&"defaultChecked"in S||te(e,d,null,f,o);for(d in S)f=S[d],d=="children"?c=f:d=="dangerouslySetInnerHTML"?m=f:d=="value"?$=f:d==
"checked"?v=f:l&&typeof f!="function"||b[d]===f||te(e,d,f,b[d],o);m?(l||h&&(m.__html==h.__html||m.__html==e.innerHTML)||(e.innerHTML=m.__html),t.__k=[]):(h&&(e.
textContent=""),(x=="foreignObject"||o=="http://www.w3.org/1998/Math/MathML"&&Pt.test(x))&&(o="http://www.w3.org/1999/xhtml"),We(p,we(c)?c:[c],t,s,r,o,i,a,i?i[0]:
s.__k&&R(s,0),l,u),i&&i.some(I)),l&&x!="textarea"||(d="value",x=="progress"&&$==null?e.removeAttribute(d):$==null||$===e[d]&&(x!="progress"||$)||te(e,d,$,b[d],o),
d="checked",v!=null&&v!=e[d]&&te(e,d,v,b[d],o))}else b===S||l&&e.data==S||(e.data=S);return e}function xe(e,t,s,r){try{typeof e=="function"?t?t.__x=e(t)||1:r&&(r=
r.__c||r.__e)&&(t=r.__x)&&(r.__x=null,typeof t=="function"?t():e(null)):e.current=t}catch(o){w.__e(o,s)}}function ke(e,t,s){var r,o,i,a;if(w.unmount&&w.unmount(
e),!(r=e.ref)||r.current&&r.current!=e.__e||xe(r,null,t,e),r=e.__c){if(r.componentWillUnmount)try{r.componentWillUnmount()}catch(l){w.__e(l,t)}r.__P=r.__n=null}
if(r=e.__k)for(a=0;a<r.length;a++)r[a]&&ke(r[a],t,typeof e.type!="function"||s&&!e.props.__P);!s&&(r=e.__c)&&(r=r.__z)&&(o=oe(r,i=[]))&&(r==e.__e&&i.some(I),I(o),
I(r)),s||I(e.__e),e.__e=e.__c=e.__=null}function Nt(e,t,s){return this.constructor(e,s)}function He(e,t){var s,r,o,i;w.__&&w.__(e,t),t.nodeType==9&&(t=t.documentElement),
r=(s=e&&32&e.__u)?null:t.__k,t.__k=se(g,{children:[e]}),o=[],i=[],ye(t,t.__k,r||ae,ae,t.namespaceURI,r?null:t.firstChild?Le.call(t.childNodes):null,o,r?r.__e:t.
firstChild,s,i),Ue(o,t.__k,i),t.__k.props.children=null}w={__e:function(e,t,s,r){for(var o,i,a;t=t.__;)if((o=t.__c)&&!(1&o.__g)){o.__g|=4;try{if((a=(i=o.constructor)&&i.getDerivedStateFromError)&&o.setState(i.getDerivedStateFromError(
e)),o.componentDidCatch&&(o.componentDidCatch(e,r||{}),a=1),a&&8&o.__g)return void(o.__g|=2)}catch(l){e=l}}throw ie=0,e}},qe=0,Vt=function(e){return e!=null&&e.
constructor===K},re.prototype.setState=function(e,t){var s=this.__s;s&&s!=this.state||(s=this.__s=U({},this.state)),typeof e=="function"&&(e=e(U({},s),this.props)),
e&&(U(s,e),this.__v&&(t&&this.__k.push(t),De(this)))},re.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),De(this))},re.prototype.render=
g,j=[],ie=0,Ne=function(e,t){return e.__v.__b-t.__v.__b},ne=Symbol(),Ee=/(PointerCapture)$|Capture$/i,ve=0,be={},Ct=0;var D=e=>(e.namespace?`${e.namespace}/`:"")+e.name,Be=e=>e.role==="objective",ce=e=>Be(e)||e.role==="gate",ue=(e,t)=>e.versions.some(s=>s.name===t&&s.removed),de=e=>e.
findings?.find(t=>t.role==="reward")?.unit,z=e=>e.condition==="done";function ze(e,t){let s=0;return{...e,at:new Date(t.at).toISOString(),elapsedSeconds:t.elapsed,
stage:{...e.stage,progress:t.progress,elapsedSeconds:t.stage},verdict:t.sentence===void 0?e.verdict:{...e.verdict,sentence:t.sentence},versions:e.versions.map((r,o)=>{
let[i,a,l,u]=t.versions[o]??[null,null,null,null];return{...r,share:i??r.share,seen:a??void 0,units:l??r.units,requests:u??r.requests}}),findings:e.findings?.map(
r=>{if(Be(r))return r;let o=t.comparisons?.[s++];if(!o)return r;let[i,a,l,u]=o;return{...r,estimate:i??void 0,interval:a!==null&&l!==null?{low:a,high:l}:void 0,
n:u??r.n}})}}var Q=new URLSearchParams(location.search).get("name"),Je=Q?`?name=${encodeURIComponent(Q)}`:"",$e=`v1/experiment${Je}`,pe=5e3,Et=2e4;async function Ke(e){let t=await fetch(
e,{cache:"no-store",signal:AbortSignal.timeout(pe)});if(!t.ok)throw new Error(t.statusText);let s=Date.parse(t.headers.get("Date")??""),r=Date.now()-s-500;return{
body:await t.json(),skew:Math.abs(r)>1500?r:0}}function Qe(e){let t={mode:"connecting",skew:0},s=o=>(e(t={...t,...o}),t),r=async()=>{try{if(Q)return Ge({...t},s);
let{body:o,skew:i}=await Ke("v1/experiments"),a=o.items??[];if(a.length===1)return Ge(s({view:a[0],skew:i,list:void 0}),s);s({mode:"polling",list:a,skew:i})}catch{
s({mode:"lost"})}setTimeout(r,pe)};r()}function Ge(e,t){let s=0,r=u=>e=t(u),o=u=>{clearTimeout(s),s=0,r({mode:"live",...u})},i=async()=>{try{let{body:u,skew:p}=await Ke(
$e),d=!e.view||u.plan!==e.view.plan||Date.parse(u.at)>=Date.parse(e.view.at);r({skew:p,...s?{mode:"polling"}:{},...d?{view:u}:{}})}catch{s&&e.mode!=="ended"&&r(
{mode:"lost"})}},a=()=>{if(s)return;let u=async()=>{await i(),s&&(s=setTimeout(u,pe))};s=setTimeout(u,0)},l=()=>{let u=new EventSource(`v1/experiment/events${Je}`);
u.addEventListener("view",p=>o({view:JSON.parse(p.data)})),u.addEventListener("tick",p=>{e.view&&o({view:ze(e.view,JSON.parse(p.data))})}),u.addEventListener("e\
nd",()=>r({mode:"ended"})),u.onerror=()=>{e.mode==="live"&&r({mode:"lost"}),a(),u.readyState===EventSource.CLOSED&&setTimeout(l,Et)}};l(),e.view||i(),setTimeout(
()=>{e.mode==="connecting"&&a()},pe)}var X=e=>e!==void 0&&Number.isFinite(e),Se=e=>e.replace("-","−");function k(e,t=1){return X(e)?`${Se((100*e).toFixed(t))}%`:"–"}function Me(e,t=1){if(!X(e))return"–";let s=(100*e).toFixed(t);return Se(Number(s)>0?`+${s}`:
s)}var Xe=e=>{let t=Math.abs(e);return Se(t>=1e3&&t<1e9?String(Math.round(e)):String(Number(e.toPrecision(4))))},Ze={bytes:" bytes",seconds:" s"};function M(e,t,s=2){
return!t||!X(e)?k(e,s):Xe(e)+(Ze[t]??"")}function me(e,t){return!t||!X(e)?Me(e):(e>0?"+":"")+Xe(e)+(Ze[t]??"")}function P(e,t,s=M){return e?`${s(e.low,t&&"numbe\
r")} to ${s(e.high,t)}`:"–"}function _(e){return e.toString().replace(/\B(?=(\d{3})+$)/g,",")}function he(e){return X(e)?e<.01?`${(1e3*e).toFixed(1)} ms`:e<1?
`${(1e3*e).toFixed(0)} ms`:`${e.toFixed(2)} s`:"–"}function T(e){let t=Math.max(0,Math.floor(e));return t<60?`${t} s`:t<3600?`${Math.floor(t/60)} m ${t%60} s`:
t<86400?`${Math.floor(t/3600)} h ${Math.floor(t%3600/60)} m`:`${Math.floor(t/86400)} d ${Math.floor(t%86400/3600)} h`}function q(e){return new Date(e).toLocaleTimeString(
"en-GB")}function H(e,t){return t<864e5?q(e):new Date(e).toLocaleString("en-GB",{day:"numeric",month:"short",hour:"2-digit",minute:"2-digit"})}function Ye(e){return e>=
1e6?e.toExponential(0).replace("e+","e"):e>=100?_(Math.round(e)):e.toPrecision(2)}function B(e){let t=10**Math.floor(Math.log10(e));for(let s of[1,2,5,10])if(s*
t>=e*(1-1e-9))return s*t;return 10*t}var Lt=Symbol.for("pv"),jt=0;function n(e,t,s,r,o,i){t||(t={});var a,l,u=t;if("ref"in u&&typeof e!="function")for(l in u={},t)l=="ref"?a=t[l]:u[l]=t[l];var p={type:e,props:u,key:s,ref:a,__k:null,
__:null,__b:0,__e:null,__c:null,constructor:Lt,__v:--jt,__i:-1,__u:0};return(o||i)&&(p.__source=o,p.__self=i),w.vnode&&w.vnode(p),p}var N=({label:e,head:t,bar:s,rows:r})=>n("div",{class:"scroll told",tabIndex:0,role:"region","aria-label":e,children:n("table",{class:"tell",children:[n("thead",
{children:n("tr",{children:t.map((o,i)=>n("th",{scope:"col",class:i===s?"bar":i?"n":"",children:o},i))})}),n("tbody",{children:r.map((o,i)=>n("tr",{children:o.map(
(a,l)=>l?n("td",{class:l===s?"wide":"n",children:a},l):n("th",{scope:"row",children:a},l))},i))})]})});var V=({index:e})=>n("span",{class:`swatch v${e}`,"aria-hidden":"true"});function et({view:e}){let t=z(e);return n("section",{class:"panel","aria-labelledby":"v\
ersions",children:[n("h2",{id:"versions",children:"Versions"}),n("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"versions",children:n("table",
{class:"versions",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"version"}),n("th",{scope:"col",class:"bar",children:n("span",{class:"\
legend",children:"bar: asked, line: seen"})}),n("th",{scope:"col",class:"n",children:"share asked"}),n("th",{scope:"col",class:"n",children:t?"seen before":"see\
n"}),n("th",{scope:"col",class:"n",children:"units"}),n("th",{scope:"col",class:"n",children:"requests"}),n("th",{scope:"col",class:"n",children:"errors"}),n("t\
h",{scope:"col",class:"n",children:"p50"}),n("th",{scope:"col",class:"n",children:"p95"}),n("th",{scope:"col",class:"n",children:"p99"}),n("th",{scope:"col",class:"\
n",children:"reward"}),n("th",{scope:"col",class:"n",children:"95%, one look"})]})}),n("tbody",{children:e.versions.map((s,r)=>n(Wt,{v:s,index:r,done:t,unit:de(
e)},s.name))})]})}),e.versions.map((s,r)=>n(Rt,{v:s,index:r},s.name))]})}function Rt({v:e,index:t}){let s=e.parts?.map(r=>`${r.name} ${r.value}`).join(", ");return!e.
removed&&!s?null:n("p",{class:"remark",children:[n(V,{index:t}),n("b",{children:e.name})," ",e.removed&&n(g,{children:["was removed at ",q(e.removed.at),": ",e.
removed.why," ",n("span",{class:"quiet code",children:e.removed.code})," "]}),s&&n("span",{class:"quiet",children:["is made of ",s,e.differs&&`; differs in ${e.
differs.join(", ")}`]})]})}function Wt({v:e,index:t,done:s,unit:r}){let o=s?void 0:e.seen;return n("tr",{class:e.removed&&"gone",children:[n("th",{scope:"row",children:[
n(V,{index:t}),e.name," ",n("span",{class:"role",children:e.removed?"removed":e.role})]}),n("td",{class:"bar",children:n("svg",{class:"share",height:"22","aria-\
hidden":"true",children:[n("rect",{class:"rail",x:"0",y:"6",width:"100%",height:"10",rx:"3"}),n("rect",{class:`fill v${t}`,x:"0",y:"6",width:`${100*e.share}%`,height:"\
10",rx:"3"}),o!==void 0&&n("line",{class:"seen",x1:`${100*o}%`,x2:`${100*o}%`,y1:"1",y2:"21",children:n("title",{children:"seen"})})]})}),n("td",{class:"n stron\
g",children:k(e.share)}),n("td",{class:"n",children:k(e.seen)}),n("td",{class:"n",children:_(e.units)}),n("td",{class:"n",children:_(e.requests)}),n("td",{class:"\
n",children:k(e.errorRate,2)}),n("td",{class:"n",children:he(e.p50Seconds)}),n("td",{class:"n",children:he(e.p95Seconds)}),n("td",{class:"n",children:he(e.p99Seconds)}),
n("td",{class:"n strong",children:M(e.reward?.value,r)}),n("td",{class:"n quiet",children:P(e.reward,r)})]})}var fe="(other)";function Ot(e){let t=["slight","fair","moderate","substantial"];return e<0?"less than by chance":`${t[Math.max(0,Math.ceil(5*e-1e-9)-1)]??"almo\
st perfect"} agreement`}function tt({view:e}){if(!e.agreements?.length)return null;let t=e.versions[0].name;return n("section",{class:"panel","aria-labelledby":"\
agreement",children:[n("h2",{id:"agreement",children:"Agreement on the same requests"}),e.agreements.map(s=>n(It,{a:s,baseline:t,index:e.versions.findIndex(r=>r.
name===s.version)},s.version+s.metric))]})}function It({a:e,baseline:t,index:s}){let r=e.counts.map(i=>i.reduce((a,l)=>a+l,0)),o=e.classes.length>5;return n("di\
v",{class:"agreement",children:[n("p",{class:"row",children:[n("b",{children:[n(V,{index:s}),e.version," and ",t,": ",e.metric]}),n("span",{children:[e.same===void 0?
"–":n(g,{children:[n("b",{children:k(e.same)})," of ",_(e.pairs-(e.lost??0))," pairs the same"]}),e.kappa!==void 0&&`, kappa ${e.kappa.toFixed(2)}: ${Ot(e.kappa)}`]})]}),
n("div",{class:"scroll",tabIndex:0,role:"region","aria-label":"Agreement",children:n("table",{class:`matrix ${o?"many":""}`,children:[n("thead",{children:n("tr",
{children:[n("th",{scope:"col",children:[t," ↓ ",e.version," →"]}),e.classes.map(i=>n("th",{scope:"col",class:"n",title:i,children:i},i)),n("th",{scope:"col",
class:"n",children:"pairs"})]})}),n("tbody",{children:e.counts.map((i,a)=>n("tr",{children:[n("th",{scope:"row",title:e.classes[a],children:e.classes[a]}),i.map(
(l,u)=>{let p=l/(r[a]||1),d=a===u&&e.classes[a]!==fe;return n("td",{class:`n ${d?"same":""}`,style:{"--w":`${l&&8+40*p}%`},title:`${_(l)}: ${e.classes[a]} → ${e.
classes[u]}`,children:[l>0?k(p,o?0:1):E("·"),!o&&l>0&&n("span",{class:"of",children:_(l)})]},u)}),n("td",{class:"n quiet",children:_(r[a])})]},e.classes[a]))})]})}),
n("p",{class:"note",children:["Shares are of a row. Framed: the same class.",e.lost?` ${_(e.lost)} pairs with rarer classes are not in the table.`:""]})]})}function nt({
view:e}){let t=e.predictions;if(!t)return null;let s=t.versions.some(r=>r.n||r.scores||r.numbers||r.tokens);return n("section",{class:"panel","aria-labelledby":"\
answers",children:[n("h2",{id:"answers",children:"What the answers say"}),!s&&n("p",{class:"empty",children:"No prediction was read yet."}),t.versions.some(r=>r.
classes)&&n(Ut,{versions:t.versions}),t.versions.some(r=>r.scores)&&n(Ht,{versions:t.versions}),s&&n(Bt,{versions:t.versions}),t.drifts&&n(zt,{view:e}),t.labels&&
n(Gt,{labels:t.labels,view:e}),n(Jt,{versions:t.versions})]})}var st=e=>e.map((t,s)=>n(g,{children:[n(V,{index:s}),t.version]})),E=e=>n("span",{class:"quiet",children:e}),
rt=(e,t)=>n(g,{children:[n(V,{index:e.versions.findIndex(s=>s.name===t.version)}),t.version," ",t.metric]});function Ut({versions:e}){let t=[...new Set(e.flatMap(
i=>i.classes?.map(a=>a.class)??[]))].sort((i,a)=>+(i===fe)-+(a===fe)),s=(i,a)=>i.classes?.find(l=>l.class===a)?.share,r=(i,a)=>k(s(i,a)??(s(i,fe)||!i.classes?void 0:
0)),o=Math.max(...e.flatMap(i=>i.classes?.map(a=>a.share)??[0]))||1;return n(N,{label:"Classes",bar:1,head:["class","",...st(e)],rows:[...t.map(i=>[n("span",{class:"\
cut",title:i,children:i}),n("svg",{height:8*e.length,"aria-hidden":"true",children:e.map((a,l)=>n("rect",{class:`fill v${l}`,y:8*l,width:`${100*(s(a,i)??0)/o}%`,
height:"7",rx:"2"},l))}),...e.map(a=>r(a,i))]),[E("predictions"),"",...e.map(i=>E(_(i.n??0)))]]})}function Ht({versions:e}){let t=e.flatMap((i,a)=>i.scores?[{...i.
scores,i:a,name:i.version}]:[]),s=Math.min(...t.map(i=>i.p5)),r=Math.max(...t.map(i=>i.p95))-s||1,o=i=>2+96*(i-s)/r;return n(N,{label:"Scores",bar:1,head:["scor\
es",n("span",{class:"legend",children:"5 to 95%, middle half, median"}),"5%","median","95%"],rows:t.map(i=>[n(g,{children:[n(V,{index:i.i}),i.name]}),n("svg",{class:`\
box v${i.i}`,height:"18","aria-hidden":"true",children:[n("line",{x1:`${o(i.p5)}%`,x2:`${o(i.p95)}%`,y1:"9",y2:"9"}),n("rect",{x:`${o(i.p25)}%`,width:`${o(i.p75)-
o(i.p25)}%`,y:"3",height:"12",rx:"2"}),n("line",{class:"median",x1:`${o(i.p50)}%`,x2:`${o(i.p50)}%`,y1:"1",y2:"17"})]}),...[i.p5,i.p50,i.p95].map(a=>M(a,"number"))])})}
function Bt({versions:e}){let s=[...new Set(e.flatMap(r=>r.numbers?.map(o=>o.metric)??[]))].map(r=>[r,...e.map(o=>{let i=o.numbers?.find(a=>a.metric===r);return n(
"span",{title:i&&`${P(i,i.unit)}, 95% at one look, of ${_(i.n)}`,children:M(i?.value,i?.unit)})})]);return e.some(r=>r.tokens)&&s.push(["tokens in all",...e.map(
r=>n(g,{children:_(Math.round(r.tokens??0))}))]),s.length?n(N,{label:"Numbers",head:["in answers",...st(e)],rows:s}):null}function zt({view:e}){return n(N,{label:"\
Drift",head:[`drift from ${e.versions[0].name}`,"of","value","interval"],rows:e.predictions.drifts.map(t=>[rt(e,t),E(`${t.of}, ${t.by.toUpperCase()}`),n("b",{title:`${_(
t.n)} predictions, ${_(t.nBaseline)} of the baseline`,children:M(t.value,"number")}),E(P(t.interval,"number"))])})}function Gt({labels:e,view:t}){let s=e.find(r=>r.
through)?.through;return n(g,{children:[n(N,{label:"Labels",head:["truth that came late","value","95%, one look","matured","labelled"],rows:e.map(r=>[rt(t,r),n(
"b",{children:M(r.value?.value,r.unit)}),E(P(r.value,r.unit)),_(r.matured),n(g,{children:[n("span",{class:(r.joined??1)<(r.floor??0)?"over":"",children:k(r.joined)}),
r.floor&&E(` of ${k(r.floor,0)} wanted`)]})])}),s&&n("p",{class:"note",children:["Known of predictions up to ",T((Date.parse(t.at)-Date.parse(s))/1e3)," ago."]})]})}
function Jt({versions:e}){return n(g,{children:e.map((t,s)=>t.digests?.map(r=>n("p",{class:"remark",children:[n(V,{index:s}),n("b",{children:t.version})," says \
of itself: ",r.header," ",r.values.map(o=>n("span",{children:[n("code",{children:o.value})," ",E(`(${_(o.n)}) `)]},o.value)),r.absent&&E(`none (${_(r.absent)}) `),
r.mixed&&n("span",{class:"status warn",children:"! a mix"})]},t.version+r.header)))})}var ot={better:["▲","good"],met:["✓","good"],"not worse":["≈","good"],worse:["▼","bad"],violated:["✕","bad"],untrustworthy:["!","warn"]};function Z(e){
return ot[e]?.[1]??"neutral"}function Y({status:e}){return n("span",{class:`status ${Z(e)}`,children:[n("span",{"aria-hidden":"true",children:ot[e]?.[0]??"○"}),
" ",e]})}function it(e){switch(e){case"any time":return"valid at any time";case"at looks":case"at the horizon":return`valid ${e}`;default:return"no error rate c\
laimed"}}function Kt(e){let t=e.flatMap(s=>[s.interval?.low??0,s.interval?.high??0,1.2*(s.limit??0)]);return B(Math.max(...t.map(Math.abs))||.1)}function at({view:e}){let t=(e.
findings??[]).filter(u=>!ce(u)&&!ue(e,u.version)),s=t.filter(u=>!u.slice),r=e.versions[0]?.name??"the baseline";if(e.versions.length<2)return null;let o=u=>p=>p.
version===u.version&&p.role===u.role&&p.metric===u.metric,i=t.filter(u=>u.slice&&!s.some(p=>o(p)(u))),a=u=>u.unit?u.metric:"",l=[...new Set(t.map(a))];return n(
"section",{class:"panel","aria-labelledby":"comparisons",children:[n("h2",{id:"comparisons",children:["Difference to ",r]}),t.length===0&&n("p",{class:"empty",children:"\
Nothing is compared: no reward or guardrail was judged."}),l.map(u=>{let p=t.filter(m=>a(m)===u),d=Kt(p);return n("div",{children:[[...s,...i].filter(m=>a(m)===
u).map(m=>n("div",{children:[n(Qt,{f:m,reach:d,index:e.versions.findIndex(h=>h.name===m.version)}),!m.slice&&p.filter(h=>h.slice&&o(m)(h)).map(h=>n(Xt,{f:h,reach:d},
h.slice))]},m.version+m.role+m.metric+m.slice)),n(Zt,{reach:d,unit:p[0]?.unit,margins:p.some(m=>m.limit)})]},u)})]})}var F=(e,t)=>`${50+50*Math.max(-1,Math.min(
1,e/t))}%`;function lt(e){return e.hidden?"hidden until the horizon":e.interval?`${me(e.estimate,e.unit)}${e.unit?"":" points"}, ${k(e.level,3).replace(/\.?0+%/,
"%")} interval ${P(e.interval,e.unit,me)}`:"no matured outcomes yet"}function Qt({f:e,reach:t,index:s}){let r=lt(e),o=e.need?`, about ${_(e.need)} more are need\
ed`:"";return n("div",{class:"finding",children:[n("p",{class:"row",children:[n("b",{children:[n(V,{index:s}),e.version,": ",e.question]}),n(Y,{status:e.status})]}),
!e.hidden&&n(ct,{f:e,reach:t,height:44,label:`${e.metric} of ${e.version}: ${r}`}),n("p",{class:"row numbers",children:[n("span",{children:r}),n("span",{class:"\
quiet",children:[it(e.guarantee),", ",_(e.n)," ",e.basis,o,e.owner&&`; owner ${e.owner}`]})]})]})}function Xt({f:e,reach:t}){let s=lt(e);return n("div",{class:"\
slice",children:[n("p",{class:"row",children:[n("span",{children:e.question}),n(Y,{status:e.status})]}),!e.hidden&&n(ct,{f:e,reach:t,height:24,label:`${e.metric}\
 of ${e.version} in ${e.slice}: ${s}`}),n("p",{class:"row numbers",children:[n("span",{children:s}),n("span",{class:"quiet",children:[_(e.n)," ",e.basis]})]})]})}
function ct({f:e,reach:t,height:s,label:r}){let o=Math.abs(e.limit??0),i=Z(e.status),a=s/2,l=s/5.5;return n("svg",{class:"plot",height:s,role:"img","aria-label":r,
children:[o>0&&n(g,{children:[n("rect",{class:"band",x:F(-o,t),width:`${100*o/t}%`,y:"0",height:s}),n("line",{class:"margin",x1:F(-o,t),x2:F(-o,t),y1:"0",y2:s}),
n("line",{class:"margin",x1:F(o,t),x2:F(o,t),y1:"0",y2:s})]}),n("line",{class:"zero",x1:"50%",x2:"50%",y1:"0",y2:s}),e.interval&&n("g",{class:`whisker ${i}`,children:[
n("line",{x1:F(e.interval.low,t),x2:F(e.interval.high,t),y1:a,y2:a}),n("line",{x1:F(e.interval.low,t),x2:F(e.interval.low,t),y1:a-l,y2:a+l}),n("line",{x1:F(e.interval.
high,t),x2:F(e.interval.high,t),y1:a-l,y2:a+l}),e.estimate!==void 0&&n("circle",{cx:F(e.estimate,t),cy:a,r:s>30?6:4.5})]})]})}function Zt({reach:e,unit:t,margins:s}){
let r=e<.04?1:0;return n(g,{children:[n("svg",{class:"axis",height:"20","aria-hidden":"true",children:[n("line",{x1:"0",x2:"100%",y1:"0.5",y2:"0.5"}),[-1,-.5,0,
.5,1].map(o=>n("g",{children:[n("line",{x1:`${50+50*o}%`,x2:`${50+50*o}%`,y1:"0",y2:"5"}),n("text",{x:`${50+50*o}%`,y:"17","text-anchor":o===-1?"start":o===1?"e\
nd":"middle",children:t?me(o*e,t):Me(o*e,r)+(o===1?" points":"")})]},o))]}),n("p",{class:"note",children:["Line: zero, no difference.",s&&" Shaded: smaller than\
 the effect that matters."]})]})}var dt={start:"●",advance:"▲",hold:"▬",rollback:"▼",promote:"★",stop:"■",pause:"‖",resume:"▶",retry:"↻",remove:"✕",shift:"⇄",approve:"✓",
learn:"◐"},pt={rollback:"bad",remove:"bad",promote:"good"},ut=e=>e.split("/").map(t=>Number.parseFloat(t)/100||0);function mt({view:e}){return n("section",{class:"\
panel","aria-labelledby":"decisions",children:[n("h2",{id:"decisions",children:"Decisions"}),e.versions.length>1&&n(en,{view:e}),n("ol",{class:`decisions ${e.versions.
length>3?"many":""}`,reversed:!0,children:[...e.decisions].reverse().map(t=>n(Yt,{d:t},t.at+t.code))})]})}function Yt({d:e}){return n("li",{class:"decision",children:[
n("time",{dateTime:e.at,children:q(e.at)}),n("span",{class:`act ${pt[e.act]??"going"}`,children:[n("span",{"aria-hidden":"true",children:dt[e.act]??"◆"})," ",
e.act]}),n("span",{class:"shift",children:e.from===e.to?e.to:`${e.from} → ${e.to}`}),n("span",{class:"why",children:[e.reasons.join("; ")," ",n("span",{class:"\
quiet code",children:e.code}),e.groups&&n("span",{class:"groups",children:e.groups.map(t=>`${t.slice} ${t.shares}`).join(" · ")})]})]})}var Ve=16,J=72;function en({
view:e}){let t=e.decisions,s=Date.parse(t[0]?.at??e.at),r=Math.max(Date.parse(e.at),Date.parse(t[t.length-1]?.at??e.at),s+1e3),o=u=>2+96*(Date.parse(u)-s)/(r-s),
i=u=>Ve+(J-Ve)*(1-u),a=t.map(u=>`${q(u.at)} ${u.act} to ${u.to}`).join(", "),l=e.versions.slice(1).map((u,p)=>p+1);return n("svg",{class:"strip",height:J+18,role:"\
img","aria-label":`Share of the candidates over time: ${a}`,children:[n("line",{class:"grid",x1:"2%",x2:"98%",y1:i(1),y2:i(1)}),n("line",{class:"grid",x1:"2%",x2:"\
98%",y1:i(.5),y2:i(.5)}),n("line",{class:"base",x1:"2%",x2:"98%",y1:i(0),y2:i(0)}),t.map(u=>n("line",{class:"rule",x1:`${o(u.at)}%`,x2:`${o(u.at)}%`,y1:Ve,y2:J},
u.at)),l.flatMap(u=>t.map((p,d)=>{let m=t[d+1],h=ut(p.to)[u]??0,c=ut(p.from)[u]??0,f=`${o(p.at)}%`,$=m?`${o(m.at)}%`:"98%";return n("g",{class:`step v${u}`,children:[
n("line",{x1:f,x2:f,y1:i(c),y2:i(h)}),n("line",{x1:f,x2:$,y1:i(h),y2:i(h)})]},`${u} ${p.at}`)})),t.map(u=>n("text",{class:`glyph ${pt[u.act]??"going"}`,x:`${o(u.
at)}%`,y:"11","text-anchor":"middle",children:dt[u.act]??"◆"},u.at)),n("text",{class:"tick",x:"2%",y:J+15,children:H(s,r-s)}),n("text",{class:"tick",x:"98%",y:J+
15,"text-anchor":"end",children:H(r,r-s)}),n("text",{class:"tick",x:"50%",y:J+15,"text-anchor":"middle",children:["share of ",e.versions.slice(1).map(u=>u.name).
join(", "),", 0 to 100%"]})]})}var ht=e=>e.health.ok?z(e)?2:1:0;function ft({views:e,lost:t}){document.title=`${e.length} experiments · Headgate`;let s=[...e].sort((r,o)=>ht(r)-ht(o)||D(r).localeCompare(
D(o)));return n(g,{children:[n("header",{children:[n("span",{class:"brand",children:"Headgate"}),n("h1",{children:[e.length," experiments"]}),n("span",{class:`c\
onnection ${t?"lost":"polling"}`,children:n("span",{class:"mode",children:t?"connection lost":"asked every 5 s"})})]}),n("main",{children:n("section",{class:"pa\
nel scroll","aria-label":"Experiments",tabIndex:0,children:[n("table",{class:"list",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"\
experiment"}),n("th",{scope:"col",children:"verdict"}),n("th",{scope:"col",children:"stage"}),n("th",{scope:"col",class:"n",children:"candidates"}),n("th",{scope:"\
col",children:"evidence"})]})}),n("tbody",{children:s.map(r=>n("tr",{children:[n("th",{scope:"row",children:n("a",{href:`?name=${encodeURIComponent(D(r))}`,children:D(
r)})}),n("td",{class:"sentences",children:[r.verdict.sentence,r.notices?.map(o=>n("p",{class:"note",children:o.text},o.text))]}),n("td",{children:r.stage.name}),
n("td",{class:"n",children:k(r.versions.slice(1).reduce((o,i)=>o+i.share,0),0)}),n("td",{children:n("span",{class:`status ${r.health.ok?"good":"warn"}`,children:r.
health.ok?"ok":"not to be trusted"})})]},D(r)))})]}),s.length===0&&n("p",{class:"empty",children:"No experiment runs here."})]})})]})}function bt({view:e}){let{stage:t,bandit:s,mirror:r,warm:o,spent:i,iteration:a,actions:l}=e,u=o?.waits??t.waits??[];return!u.length&&!s&&!r&&!i&&!t.approval&&!a&&
!l?null:n("section",{class:"panel","aria-labelledby":"pattern",children:[n("h2",{id:"pattern",children:o?`${o.baseline} is kept warm, then: ${o.then}`:`Stage ${t.
name} (${t.kind})`}),s&&n(nn,{view:e}),a&&n(tn,{view:e}),r&&n("p",{children:[k(r.share,0)," of the requests copied, ",_(r.pairs),r.want?` of ${_(r.want)}`:""," \
pairs",r.costCap?`, cost ${(r.cost??0).toFixed(2)} of at most ${r.costCap.toFixed(2)}`:"",".",r.copies.map(p=>n("span",{class:"quiet",children:[" ",p.version,":\
 ",_(p.sent)," copies, ",_(p.failed)," failed or too late."]},p.version))]}),n("ul",{class:"waits",children:[u.map(p=>n(gt,{w:p},p.what)),t.approval&&!o&&n(gt,{
w:{what:`the approval of ${t.approval.owner}`,done:t.approval.given}})]}),t.approval&&!t.approval.given&&n("p",{class:"note",children:[t.approval.awaited?"Nothi\
ng else is missing.":"It can be given before the rest is had."," ",n("code",{children:["headgate approve ",D(e)," --reason …"]})]}),l&&n("ul",{class:"actions",
children:l.map(p=>n("li",{children:[n("b",{class:p.status==="failed"&&!p.ignored?"over":void 0,children:p.status})," ",p.name," ",n("span",{class:"quiet",children:[
"(",p.kind,p.ignored&&", ignored",")",p.why&&` ${p.why}`]})]},p.name+p.status))}),i&&n(rn,{view:e})]})}function tn({view:e}){let{done:t,of:s,next:r,winner:o,recommended:i,
failed:a,readings:l}=e.iteration,u=p=>p===null?"no number":String(Number(p.toPrecision(5)));return n(g,{children:[n("p",{children:["Iteration ",n("b",{children:t}),
" of ",s,a?n("b",{class:"over",children:[" failed: ",a]}):t>0&&(o?n(g,{children:[", winner ",n("b",{children:o})]}):`, no winner: ${i} is recommended`),r&&`, th\
e next at ${H(r,0)}`]}),l&&n(N,{label:"Newest values",head:["metric","limit",...e.versions.map(p=>p.name)],rows:l.map(p=>[n(g,{children:[p.metric," ",p.role&&n(
"span",{class:"quiet",children:p.role})]}),p.limit??"–",...p.values.map((d,m)=>p.satisfied?.[m]===!1?n("b",{class:"over",children:u(d)}):n(g,{children:[u(d),p.
satisfied?.[m]&&n("span",{class:"quiet",children:" met"})]}))])})]})}function gt({w:e}){let{have:t=0,want:s=0}=e,r=o=>e.unit==="seconds"?T(o):e.unit==="probabil\
ity"?o.toFixed(2):_(Math.floor(o));return n("li",{class:e.done?"had":void 0,children:[n("span",{"aria-hidden":"true",children:e.done?"✓":"○"}),n("span",{class:"\
unseen",children:e.done?"had: ":"awaited: "}),n("span",{children:[e.what,e.owner&&n("span",{class:"quiet",children:[" (",e.owner,")"]})]}),n("span",{class:"quie\
t",children:e.unit?`${r(t)} of ${r(s)}`:e.until?`until ${H(e.until,864e5)}`:""}),e.unit&&n("span",{class:"rail","aria-hidden":"true",children:n("span",{style:{width:`${100*
Math.min(1,t/s)}%`}})})]})}function nn({view:e}){let t=e.bandit,s=[...new Set(t.arms.map(o=>o.slice??""))],r=t.next?`, the next at ${H(t.next,0)}`:"";return n(g,
{children:[n("p",{children:[t.policy,", ",n("b",{children:t.mode}),t.why&&` (${t.why})`,", ",t.updates," updates",r]}),n("div",{class:"scroll",tabIndex:0,role:"\
region","aria-labelledby":"pattern",children:n("table",{class:"arms",children:[n("thead",{children:n("tr",{children:[n("th",{scope:"col",children:"arm"}),n("th",
{scope:"col",class:"bar"}),n("th",{scope:"col",class:"n",children:"share"}),n("th",{scope:"col",class:"n",children:"P(best)"}),n("th",{scope:"col",class:"n",children:"\
reward, 95%"}),n("th",{scope:"col",class:"n",children:"units"})]})}),s.map(o=>n("tbody",{children:[o&&n("tr",{children:n("th",{scope:"rowgroup",colSpan:6,class:"\
group",children:o})}),t.arms.filter(i=>(i.slice??"")===o).map(i=>n(sn,{a:i,unit:de(e),index:e.versions.findIndex(a=>a.name===i.version)},i.version))]},o))]})}),
n("p",{class:"note",children:"Adaptively weighted; no error rate is claimed for P(best)."})]})}function sn({a:e,index:t,unit:s}){return n("tr",{class:e.removed?
"gone":void 0,children:[n("th",{scope:"row",children:[n(V,{index:t}),e.version]}),n("td",{class:"bar",children:n("svg",{class:"share",height:"16","aria-hidden":"\
true",children:[n("rect",{class:"rail",x:"0",y:"4",width:"100%",height:"8",rx:"3"}),n("rect",{class:`fill v${t}`,x:"0",y:"4",width:`${100*e.share}%`,height:"8",
rx:"3"})]})}),n("td",{class:"n strong",children:k(e.share)}),n("td",{class:"n",children:e.best===void 0?"–":e.best.toFixed(2)}),n("td",{class:"n",children:e.reward?
n(g,{children:[M(e.reward.value,s,1)," ",n("span",{class:"quiet",children:P(e.reward,s,(r,o)=>M(r,o,1))})]}):"–"}),n("td",{class:"n",children:_(e.n)})]})}function rn({
view:e}){let{cost:t,units:s,elapsedSeconds:r,budget:o,over:i,stages:a}=e.spent,l=o&&[o.cost&&`cost ${o.cost.toFixed(2)}`,o.units&&`${_(o.units)} units`,o.durationSeconds&&
T(o.durationSeconds)].filter(Boolean).join(", ");return n(g,{children:[a&&n(on,{stages:a,now:e.stage.number-1}),n("p",{class:"small quiet",children:["Spent: cos\
t ",(t??0).toFixed(2),", ",_(s??0)," units on candidates, ",T(r),l&&`; the budget: ${l}, then ${o.onExceeded}`,".",i&&n("b",{class:"over",children:[" Exceeded i\
n ",i.join(", "),"."]})]})]})}var _t=e=>e>0&&e<.1?e.toPrecision(2):e.toFixed(2);function on({stages:e,now:t}){let s=Math.max(...e.map(o=>Math.max(o.cost,o.expected??
0)))||1,r=o=>`${100*o/s}%`;return n(N,{label:"Cost",bar:1,head:["cost of stage","","spent","expected in all"],rows:e.map((o,i)=>[n("span",{"aria-current":i===t?
"step":void 0,children:o.stage}),n("svg",{height:"10","aria-hidden":"true",children:[n("rect",{class:"rail",width:r(o.expected??o.cost),height:"10",rx:"3"}),n("\
rect",{class:"fill v2",width:r(o.cost),height:"10",rx:"3"})]}),n("b",{children:_t(o.cost)}),o.expected===void 0?"–":_t(o.expected)])})}function vt({view:e}){let{
flips:t,flipsTogether:s}=e;if(!t?.length)return null;let r=t.length<2?"":s?": all of it":": any one";return n("section",{class:"panel","aria-labelledby":"flips",
children:[n("h2",{id:"flips",children:["What would make it otherwise",r]}),n("ul",{class:"flips",children:t.map(o=>n("li",{children:o.text},o.text))})]})}function an(e){if(!e.health.ok||e.notices?.some(t=>t.kind==="override")||e.stage.approval?.awaited)return"warn";switch(e.verdict.outcome){case"promoted":case"ob\
jectives-met":return"good";case"rolled-back":case"objectives-violated":return"bad";case void 0:case"":return e.condition==="paused"?"warn":"going";default:return"\
neutral"}}function wt({view:e}){let{sentence:t}=e.verdict,s=t.indexOf("  "),r=s<0?"":t.slice(0,s),o=s<0?t:t.slice(s);return n("section",{class:`verdict ${an(e)}`,
"aria-label":"Verdict",children:[n("p",{class:"sentence",id:"verdict",children:[n("strong",{children:r}),o]}),n(cn,{view:e}),n(ln,{view:e})]})}var Ce={key:"",text:""};
function ln({view:e}){let t=e.verdict,s=[e.condition,e.stage.number,e.stage.step,t.outcome,e.health.ok,e.decisions.length].join();return s!==Ce.key&&(Ce={key:s,
text:t.sentence}),n("p",{class:"unseen",role:"status","aria-live":"polite",children:Ce.text})}function cn({view:e}){let t=e.stage,s=t.steps>1?`, step ${t.step} \
of ${t.steps}`:"";return n("div",{class:"progress",children:[n("div",{class:"track",role:"progressbar","aria-label":"Stage","aria-valuemin":0,"aria-valuemax":100,
"aria-valuenow":Math.round(100*t.progress),children:Array.from({length:t.of},(r,o)=>{let i=o+1<t.number?1:o+1===t.number?t.progress:0;return n("span",{class:"st\
age",children:n("span",{class:"filled",style:{width:`${100*i}%`}})},o)})}),n("p",{children:[n("span",{children:["stage ",t.number," of ",t.of,": ",n("b",{children:t.
name})," (",t.kind,")",s,t.where&&`, requests with ${t.where}`]}),n("span",{children:["reason ",n("span",{class:"code",children:e.verdict.code})]}),n("span",{class:"\
numbers",children:[k(t.progress,0)," after ",T(t.elapsedSeconds),", ",T(e.elapsedSeconds)," in all"]})]})]})}function yt({notices:e}){return n(g,{children:e?.map(
t=>n("p",{class:`banner ${t.kind==="override"||t.kind==="harm"?"warn":"info"} notice`,children:t.text},t.text))})}function xt({health:e}){let t=`sample-ratio e-\
value ${Ye(e.mismatchEValue)}, alarm at 1,000`,s=e.incomplete?.map(o=>`${_(o.missing)} of ${_(o.windows)} of ${o.source} (${o.last})`).join(", "),r=t+(s?` · win\
dows that are not whole: ${s}`:"");return e.ok?n("p",{class:"health",id:"health",children:[n("span",{class:"status good",children:"evidence ok"})," ",r]}):n("di\
v",{class:"banner warn",id:"health",role:"alert",children:[n("b",{children:"The evidence cannot be trusted now."})," Do not use the numbers below; they raise no\
 share and promote nothing.",n("ul",{children:(e.trouble??[]).map(o=>n("li",{children:o},o))}),n("span",{class:"small",children:r})]})}function kt({view:e}){let t=(e.findings??[]).filter(r=>ce(r)&&!ue(e,r.version)),s=[...new Set(t.map(r=>r.question))];return n("section",{class:"panel","aria-lab\
elledby":"objectives",children:[n("h2",{id:"objectives",children:["Objectives",t.some(r=>r.role==="gate")&&" and gates"]}),s.length===0&&n("p",{class:"empty",children:"\
The plan has no objectives."}),s.map(r=>n(pn,{question:r,rows:t.filter(o=>o.question===r),all:t,view:e},r))]})}function un(e,t){let[,s]=e.split(" <= ");return!s||
s.endsWith("%")?"":`requests over ${s}, at most ${k(t,2).replace(/\.?0+%/,"%")} of all`}function dn(e,t){let s=e[0]?.limit??0,r=e[0]?.unit,o=e.flatMap(u=>[u.estimate??
s,u.interval?.low??s,u.interval?.high??s]),i=Math.min(0,...o);if(r&&(t||i<0))return[i&&-B(-i),B(1.2*Math.max(1e-4,...o))];if(t){let u=Math.min(Math.max(1-Math.min(
...o),1.2*(1-s)),Math.max(4*(1-s),1.2*(1-Math.min(s,...e.map(p=>p.estimate??1)))));return[Math.max(0,1-B(Math.max(u,1e-4))),1]}let a=e.map(u=>u.estimate??0),l=Math.
min(Math.max(...o,2*s),Math.max(4*s,1.2*Math.max(...a)));return[0,B(Math.max(l,1e-4))]}var $t=(e,t,s)=>2+96*(e-t)/(s-t);function pn({question:e,rows:t,all:s,view:r}){
let o=e.includes(" >= "),i=t[0]?.limit,[a,l]=dn(s.filter(c=>c.metric===t[0]?.metric&&c.role===t[0]?.role&&c.limit===i),o),u=t[0]?.owner,p=[t[0]?.role==="gate"?"\
gate":"",t[0]?.basis==="pairs"?"paired":"",t[0]?.unit?"":un(e,i),u?`owner ${u}`:""].filter(Boolean).join("; "),d=i===void 0?void 0:$t(i,a,l),m=t[0]?.unit,h=c=>M(
c,m&&"number").replace(/\.?0+%/,"%");return n("div",{class:"objective",children:[n("p",{class:"row",children:[n("b",{children:e}),n("span",{class:"quiet",children:p})]}),
n("table",{children:[n("thead",{class:"unseen",children:n("tr",{children:[n("th",{scope:"col",children:"version"}),n("th",{scope:"col",children:"plot"}),n("th",
{scope:"col",children:"estimate"}),n("th",{scope:"col",children:"interval"}),n("th",{scope:"col",children:"status"})]})}),n("tbody",{children:[t.map(c=>n("tr",{
children:[n("th",{scope:"row",children:[n(V,{index:r.versions.findIndex(f=>f.name===c.version)}),c.version]}),n("td",{class:"wide",children:n(mn,{f:c,from:a,to:l,
least:o})}),n("td",{class:"n strong",children:M(c.estimate,m)}),n("td",{class:"n interval",children:P(c.interval,m)}),n("td",{class:"s",children:n(Y,{status:c.status})})]},
c.version+c.role)),n("tr",{class:"scale","aria-hidden":"true",children:[n("td",{}),n("td",{class:"wide",children:n("svg",{class:"axis",height:"16",children:[!(d<
22)&&n("text",{class:d<45?"word":void 0,x:"2%",y:"12","text-anchor":"start",children:h(a)}),!(d>78)&&n("text",{class:d>55?"word":void 0,x:"98%",y:"12","text-anc\
hor":"end",children:h(l)}),i!==void 0&&n("text",{x:`${d}%`,y:"12","text-anchor":d<10?"start":d>90?"end":"middle",children:[n("tspan",{class:"word",children:"lim\
it "}),h(i)]})]})}),n("td",{colSpan:3})]})]})]})]})}function mn({f:e,from:t,to:s,least:r}){let o=l=>$t(l,t,s),i=l=>`${Math.max(0,Math.min(100,o(l)))}%`,a=e.limit??
s;return n("svg",{class:"plot small",height:"24","aria-hidden":"true",children:[n("rect",{class:"forbidden",x:r?0:i(a),width:r?i(a):`${100-o(a)}%`,y:"0",height:"\
24"}),n("line",{class:"limit",x1:i(a),x2:i(a),y1:"0",y2:"24"}),e.interval&&n("g",{class:`whisker ${Z(e.status)}`,children:[n("line",{x1:i(e.interval.low),x2:i(e.
interval.high),y1:"12",y2:"12"}),o(e.interval.low)>=0&&n("line",{x1:i(e.interval.low),x2:i(e.interval.low),y1:"7",y2:"17"}),o(e.interval.high)<=100&&n("line",{x1:i(
e.interval.high),x2:i(e.interval.high),y1:"7",y2:"17"}),e.estimate!==void 0&&n("circle",{cx:i(e.estimate),cy:"12",r:"4.5"})]})]})}var hn=30;function fn(e,t){let s=Math.max(0,(t-Date.parse(e.at))/1e3),r=z(e);return{age:s,final:r,old:!r&&s>hn}}function St({state:e,now:t}){let s=e.view;if(e.list)
return n(ft,{views:e.list,lost:e.mode==="lost"});if(!s)return n(gn,{state:e});let r=fn(s,t),o=D(s),i=s.verdict.sentence.split("  ")[0],a=s.health.ok?"":"untrust\
ed";return document.title=`${i} · ${o} · Headgate`,n(g,{children:[n("header",{children:[n("span",{class:"brand",children:Q?n("a",{href:"./",children:"Headgate"}):
"Headgate"}),n("h1",{children:o}),n("span",{class:"plan",title:`plan ${s.plan}`,children:["plan ",s.plan.slice(0,8)]}),n(bn,{state:e,fresh:r})]}),n("main",{class:r.
old?"old":void 0,children:[n(wt,{view:s}),n(yt,{notices:s.notices}),n(xt,{health:s.health}),n("div",{class:"results",children:[n("div",{class:a,children:n(et,{view:s})}),
n("div",{class:"columns",children:[n("div",{class:`stack ${a}`,children:[n(at,{view:s}),n(kt,{view:s}),n(tt,{view:s})]}),n("div",{class:"stack",children:[n(bt,{
view:s}),n(vt,{view:s}),n(mt,{view:s}),s.predictions&&n("div",{class:a,children:n(nt,{view:s})})]})]})]})]}),n(vn,{state:e,view:s,fresh:r}),n("footer",{children:[
"Read-only. Times are of this browser. ",n("a",{href:$e,children:"JSON"})," · ",n("a",{href:"metrics",children:"metrics"})," · ",n("a",{href:"LICENSES.txt",children:"\
licenses"})]})]})}function gn({state:e}){let t=e.mode==="lost"?"Headgate does not answer. Is it running? Trying again every few seconds.":"Waiting for the first\
 view…";return n("p",{class:"plain",role:"status",children:t})}var _n={connecting:"connecting",live:"live",polling:"polling every 5 s",lost:"connection lost",
ended:"Headgate has stopped"};function bn({state:e,fresh:t}){let s=t.age<1.5?"last update just now":`last update ${T(t.age)} ago`;return n("span",{class:`connec\
tion ${e.mode}`,id:"connection",children:[n("span",{class:"mode",children:t.final&&e.mode==="live"?"finished":_n[e.mode]}),n("span",{class:"age",children:t.final?
"these results are final":s})]})}function vn({state:e,view:t,fresh:s}){let r="";return e.mode==="ended"&&!s.final?r=`Headgate has stopped. This is the last it s\
aid, at ${q(t.at)}; started again, the run goes on where it was.`:e.mode==="lost"&&(r=`The connection is lost. This is the state of ${q(t.at)}; trying again eve\
ry few seconds.`),s.old&&(r+=` What is shown is ${T(s.age)} old, so the verdict is not known now.`),r?n("p",{class:`banner float ${s.old||e.mode==="lost"?"warn":
"info"}`,id:"lost",role:"alert",children:r.trim()}):null}var wn=document.getElementById("app"),Pe={mode:"connecting",skew:0},Mt=()=>He(n(St,{state:Pe,now:Date.now()-Pe.skew}),wn);Qe(e=>{Pe=e,Mt()});setInterval(Mt,1e3);
