var v,we,Xe,D,se,Q,ke,z,$e,re,oe,Ze,W=Symbol.for("pv"),X={},Z=[],Ye=/^m(i|n|o|s|text|space)$/,ie=Array.isArray,Se=Z.slice,O=Object.assign;function E(e){e&&e.parentNode&&
e.remove()}function J(e,t,n,o,i){var r={type:e,props:t,key:n,ref:o,__k:null,__:null,__b:0,__e:null,__c:null,constructor:W,__v:i||++we,__i:-1,__u:0};return!i&&v.vnode&&v.vnode(
r),r}function M(e){return e.children}function G(e,t){this.props=e,this.context=t,this.__g=0}function C(e,t){if(t==null)return e.__&&C(e.__,e.__i+1);for(var n;t<e.__k.
length;t++)if((n=e.__k[t])&&n.__e)return n.__e;return typeof e.type!="function"||e.props.__P?null:C(e)}function et(e){var t,n=e.__v,o=n.__e,i=[],r=[],l=e.__P;l&&
((t=O({constructor:W},n)).__v=n.__v+1,v.vnode&&v.vnode(t),ae(l,t,n,e.__n,l.namespaceURI,32&n.__u?[o]:null,i,o||C(n),32&n.__u,r),t.__v=n.__v,t.__.__k[t.__i]=t,Fe(
i,t,r),n.__=n.__e=null,t.__e!=o&&Me(t))}function Me(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),Me(e)}
function be(e){(8&e.__g||(e.__g|=8,D.push(e),Q++))&&se==v.debounceRendering||((se=v.debounceRendering)||queueMicrotask)(Ve)}function Ve(){try{for(var e,t=1;D.length;)
D.length>t&&D.sort(ke),e=D.shift(),t=D.length,8&e.__g&&et(e)}finally{(Q=D.length)&&(se||queueMicrotask)(Ve)}}function Te(e,t,n,o,i,r,l,c,p,_,u){var f,h,a,d,x,g,
y=o.__k||Z,m=t.length;for(p=tt(n,t,y,p,m),f=0;f<m;f++)(a=n.__k[f])!=null&&(h=~a.__i&&y[a.__i]||X,a.__i=f,g=ae(e,a,h,i,r,l,c,p,_,u),d=a.__e,(h.ref!=a.ref||8&h.__u)&&
(h.ref&&le(h.ref,null,a,h),a.ref&&u.push(a.ref,a.__c||d,a)),x=x||d,4&a.__u?(p=De(a,p,e,!h.__v),h.__e&&(h.__e=null)):typeof a.type=="function"&&g!==void 0?p=g:d&&
(p=d.nextSibling),a.__u&=-21);return n.__e=x,p}function tt(e,t,n,o,i){var r,l,c,p,_,u,f,h,a,d=n.length,x=d,g=0,y=0,m=e.__k=Array(i);for(r=0;r<i;r++)(l=t[r])!=null&&
typeof l!="boolean"&&typeof l!="function"?(typeof l!="object"||l.constructor===String?l=m[r]=J(null,l):ie(l)?l=m[r]=J(M,{children:l}):l.constructor===W&&l.__b?l=
m[r]=J(l.type,l.props,l.key,l.ref,l.__v):m[r]=l,p=r+g,l.__=e,l.__b=e.__b+1,c=null,~(_=l.__i=nt(l,n,p,x))&&(x--,(c=n[_])&&(c.__u|=2)),c&&c.__v?(l.__u|=16,_==p-1?
g--:_==p+1?g++:_!=p&&(_>p?g--:g++,y=1)):(~_||(i>d?g--:i<d&&g++),typeof l.type!="function"&&(l.__u|=4))):m[r]=null;if(y){for(u=[],f=[],r=0;r<i;r++)if((l=m[r])&&16&
l.__u){for(g=0,h=u.length;g<h;)u[a=g+h>>1]<l.__i?g=a+1:h=a;u[g]=l.__i,f[r]=g+1}for(g=u.length;r--;)f[r]&&(f[r]==g?g--:m[r].__u|=4)}if(x)for(r=0;r<d;r++)!(c=n[r])||
2&c.__u||(c.__e==o&&(o=C(c)),ce(c,c));return o}function De(e,t,n,o){var i,r,l,c;if(typeof e.type=="function"){if(e.props.__P)return t;if(i=e.__k)for(r=0;r<i.length;r++)
i[r]&&(i[r].__=e,t=De(i[r],t,n,!1));return t}for(t&&!t.parentNode&&(t=C(e))&&!t.parentNode&&(t=null),l=e.__e,c=t;c&&c.nodeType==8;)c=c.nextSibling;for(l!=c&&(!o&&
n.moveBefore&&l.parentNode?n.moveBefore(l,t):n.insertBefore(l,t||null)),t=l;(t=t&&t.nextSibling)&&t.nodeType==8&&!t.data.startsWith("$s"););return t}function nt(e,t,n,o){var i,r=e.key,l=e.type,c=t[n],p=c&&!(2&c.__u);if(c===null&&r==null||p&&r==c.key&&l==c.type)return n;if(o>(p?1:0)){for(i=n-1;i>=0;i--)if((c=
t[i])&&!(2&c.__u)&&r==c.key&&l==c.type)return i;for(i=n+1;i<t.length;i++)if((c=t[i])&&!(2&c.__u)&&r==c.key&&l==c.type)return i}return-1}function xe(e,t,n){n==null&&
(n=""),t[0]=="-"?e.setProperty(t,n):e[t]=n}function B(e,t,n,o,i){var r,l;if(t=="style")if(typeof n=="string")e.style.cssText=n;else{if(typeof o=="string"&&(e.style.
cssText=o=""),o)for(t in o)n&&t in n||xe(e.style,t);if(n)for(t in n)o&&n[t]==o[t]||xe(e.style,t,n[t])}else if(t[0]=="o"&&t[1]=="n")typeof n!="function"&&(n=null),
typeof o!="function"&&(o=null),(e.__e||(e.__e={}))[t]=n,n&&o||(l=oe[t]||(oe[t]=st(t)),(e.__a||(e.__a={}))[t]=re,r=t!=(t=t.replace($e,"$1")),(t=t.slice(2))[0]<"a"&&
(t=t.toLowerCase()),n?e.addEventListener(t,l,r):e.removeEventListener(t,l,r));else{if(i=="http://www.w3.org/2000/svg")t=t.replace(/xlink(H|:h)/,"h").replace(/sName$/,
"s");else if(t!="width"&&t!="height"&&t!="href"&&t!="list"&&t!="form"&&t!="tabIndex"&&t!="download"&&t!="rowSpan"&&t!="colSpan"&&t!="role"&&t!="popover"&&t in e)
try{return void(e[t]=n??"")}catch{}if(typeof n=="function")return;n==null||n===!1&&t[4]!="-"?e.removeAttribute(t):e.setAttribute(t,t=="popover"&&n==1?"":n)}}function st(e){
return function(t){var n=this.__e;if(n){if(n=n[e],t[z]==null)t[z]=re++;else if(t[z]<this.__a[e])return;return n(v.event?v.event(t):t)}}}function ae(e,t,n,o,i,r,l,c,p,_){
var u,f,h,a,d,x,g,y,m,w,b,ne,ve,I,P,ye,T,j,V=t.type;if(t.constructor!==W)return null;128&n.__u&&(p=32&n.__u,u=n.__c.__z)&&(t.__u|=p,f=r=[],u.nodeType==8?c=K(u,r):
r.push(u),c=r[0]||c),(u=v.__b)&&u(t);e:if(typeof V=="function"){h=l.length;try{if(y=t.props,m=(u=V.prototype)&&u.render,w=(u=V.contextType)&&o[u.__c],b=u?w?w.props.
value:u.__:o,(a=n.__c)?(t.__c=a,2&a.__g&&(a.__g|=1)):(m?t.__c=a=new V(y,b):(t.__c=a=new G(y,b),a.constructor=V,a.render=rt),w&&w.sub(a),a.state||(a.state={}),a.
__n=o,a.__g|=8,a.__h=[],a.__k=[]),m&&(a.__s||(a.__s=a.state),V.getDerivedStateFromProps&&(a.__s==a.state&&(a.__s=O({},a.__s)),O(a.__s,V.getDerivedStateFromProps(
y,a.__s)))),d=a.props,x=a.state,a.__v=t,n.__c){if(y!==d&&m&&!V.getDerivedStateFromProps&&a.componentWillReceiveProps&&a.componentWillReceiveProps(y,b),t.__v==n.
__v&&!(8&a.__g)||!(4&a.__g)&&a.shouldComponentUpdate&&a.shouldComponentUpdate(y,a.__s,b)===!1){t.__v!=n.__v&&(a.props=y,a.state=a.__s,a.__g&=-9),t.__e=n.__e,t.__k=
n.__k,t.__k.some(function($){$&&($.__=t)}),Z.push.apply(a.__h,a.__k),a.__k=[],a.__h.length&&l.push(a),c=C(n);break e}a.componentWillUpdate&&a.componentWillUpdate(
y,a.__s,b),m&&a.componentDidUpdate&&a.__h.push(function(){a.componentDidUpdate(d,x,g)})}else m&&!V.getDerivedStateFromProps&&a.componentWillMount&&a.componentWillMount(),
m&&a.componentDidMount&&a.__h.push(a.componentDidMount);a.context=b,a.props=y,a.__P=e,a.__g&=-5,ne=v.__r,ve=m?25:0;do a.__g&=-9,ne&&ne(t),u=a.render(a.props,a.state=
a.__s,a.context);while(8&a.__g&&++ve<25);m&&(Z.push.apply(a.__h,a.__k),a.__k=[]),a.state=a.__s,a.getChildContext&&(o=O({},o,a.getChildContext())),m&&n.__c&&a.getSnapshotBeforeUpdate&&
(g=a.getSnapshotBeforeUpdate(d,x)),I=u&&u.type===M&&u.key==null?u.props.children:u,y.__P&&(u=c,i=(e=y.__P).namespaceURI,p=r=null,n.props&&n.props.__P!=e&&(n.__k.
some(function($){$&&ce($,$)}),n.__k=null),c=n.__k?C(n,0):null),c=Te(e,ie(I)?I:[I],t,n,o,i,r,l,c,p,_),y.__P&&(t.__e=null,c=u),t.__u&=-161,f&&f.some(E),a.__h.length&&
l.push(a),1&a.__g&&(a.__g&=-4)}catch($){if(l.length=h,t.__v=null,p||r)if($&&$.then){if(t.__u|=128|p,r){for(~(T=r.indexOf(c||void 0))||(T=r.length);(j=r[T-1])&&j.
nodeType==8;)T--;for(;T<r.length;T++)if(j=r[T])if(r[T]=null,P){if(j==ye)break}else{if(j.nodeType!=8)break;j.data.startsWith("$s")&&(ye=K(P=j))}}if(!P){for(;c&&c.
nodeType==8&&c.nextSibling;)c=c.nextSibling;P=c}(u=K(P=t.__c.__z||(t.__c.__z=P)))?(t.__e=P,c=u):t.__e=c,c=c&&c.nextSibling}else r&&r.some(E);else t.__e=n.__e;t.
__k||(t.__k=n.__k||[]),$&&$.then||Ce(t),v.__e($,t,n)}}else c=t.__e=ot(n.__e,t,n,o,i,r,l,p,_,e);return(u=v.diffed)&&u(t),c}function K(e,t){if(e&&e.nodeType==8&&e.
data.startsWith("$s"))for(var n=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith("$s"))n++;else if(e.data.startsWith("/$s")&&!--n)return e}t&&t.push(e)}}
function Ce(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(Ce))}function Fe(e,t,n){for(var o=0;o<n.length;)le(n[o++],n[o++],n[o++]);v.__c&&v.__c(t,e),e.some(function(i){
try{e=i.__h,i.__h=[],e.some(function(r){r.call(i)})}catch(r){v.__e(r,i.__v)}})}function ot(e,t,n,o,i,r,l,c,p,_){var u,f,h,a,d,x,g,y,m=n.props||X,w=t.props,b=t.type;
if(b=="svg"?i="http://www.w3.org/2000/svg":b=="math"?i="http://www.w3.org/1998/Math/MathML":i||(i="http://www.w3.org/1999/xhtml"),r){for(u=0;u<r.length;u++)if((d=
r[u])&&(b?d.localName==b:d.nodeType==3)){e=d,r[u]=null;break}}if(!e){if(y=_.ownerDocument||document,!b)return y.createTextNode(w);e=y.createElementNS(i,b,w.is?w:
_),c&&(v.__m&&v.__m(t,r),c=!1),r=null}if(b){if(_=b=="template"&&e.content||e,r=b=="textarea"&&w.defaultValue!=null?null:r&&Se.call(_.childNodes),!c&&r)for(m={},
u=0;u<e.attributes.length;u++)m[(d=e.attributes[u]).name]=d.value;for(u in m)d=m[u],u=="dangerouslySetInnerHTML"?h=d:u=="children"||u in w||u=="value"&&"default\
Value"in w||u=="checked"&&"defaultChecked"in w||B(e,u,null,d,i);for(u in w)d=w[u],u=="children"?a=d:u=="dangerouslySetInnerHTML"?f=d:u=="value"?x=d:u=="checked"?
g=d:c&&typeof d!="function"||m[u]===d||B(e,u,d,m[u],i);f?(c||h&&(f.__html==h.__html||f.__html==e.innerHTML)||(e.innerHTML=f.__html),t.__k=[]):(h&&(e.textContent=
""),(b=="foreignObject"||i=="http://www.w3.org/1998/Math/MathML"&&Ye.test(b))&&(i="http://www.w3.org/1999/xhtml"),Te(_,ie(a)?a:[a],t,n,o,i,r,l,r?r[0]:n.__k&&C(n,
0),c,p),r&&r.some(E)),c&&b!="textarea"||(u="value",b=="progress"&&x==null?e.removeAttribute(u):x==null||x===e[u]&&(b!="progress"||x)||B(e,u,x,m[u],i),u="checked",
g!=null&&g!=e[u]&&B(e,u,g,m[u],i))}else m===w||c&&e.data==w||(e.data=w);return e}function le(e,t,n,o){try{typeof e=="function"?t?t.__x=e(t)||1:o&&(o=o.__c||o.__e)&&
(t=o.__x)&&(o.__x=null,typeof t=="function"?t():e(null)):e.current=t}catch(i){v.__e(i,n)}}function ce(e,t,n){var o,i,r,l;if(v.unmount&&v.unmount(e),!(o=e.ref)||
o.current&&o.current!=e.__e||le(o,null,t,e),o=e.__c){if(o.componentWillUnmount)try{o.componentWillUnmount()}catch(c){v.__e(c,t)}o.__P=o.__n=null}if(o=e.__k)for(l=
0;l<o.length;l++)o[l]&&ce(o[l],t,typeof e.type!="function"||n&&!e.props.__P);!n&&(o=e.__c)&&(o=o.__z)&&(i=K(o,r=[]))&&(o==e.__e&&r.some(E),E(i),E(o)),n||E(e.__e),
e.__e=e.__c=e.__=null}function rt(e,t,n){return this.constructor(e,n)}function Pe(e,t){var n,o,i,r;v.__&&v.__(e,t),t.nodeType==9&&(t=t.documentElement),o=(n=e&&
32&e.__u)?null:t.__k,t.__k=J(M,{children:[e]}),i=[],r=[],ae(t,t.__k,o||X,X,t.namespaceURI,o?null:t.firstChild?Se.call(t.childNodes):null,i,o?o.__e:t.firstChild,
n,r),Fe(i,t.__k,r),t.__k.props.children=null}v={__e:function(e,t,n,o){for(var i,r,l;t=t.__;)if((i=t.__c)&&!(1&i.__g)){i.__g|=4;try{if((l=(r=i.constructor)&&r.getDerivedStateFromError)&&i.setState(r.getDerivedStateFromError(
e)),i.componentDidCatch&&(i.componentDidCatch(e,o||{}),l=1),l&&8&i.__g)return void(i.__g|=2)}catch(c){e=c}}throw Q=0,e}},we=0,Xe=function(e){return e!=null&&e.constructor===
W},G.prototype.setState=function(e,t){var n=this.__s;n&&n!=this.state||(n=this.__s=O({},this.state)),typeof e=="function"&&(e=e(O({},n),this.props)),e&&(O(n,e),
this.__v&&(t&&this.__k.push(t),be(this)))},G.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),be(this))},G.prototype.render=M,D=[],Q=
0,ke=function(e,t){return e.__v.__b-t.__v.__b},z=Symbol(),$e=/(PointerCapture)$|Capture$/i,re=0,oe={},Ze=0;var H=e=>e.role==="objective",Y=e=>e.condition==="done";function je(e,t){let n=0;return{...e,at:new Date(t.at).toISOString(),elapsedSeconds:t.elapsed,stage:{...e.
stage,progress:t.progress,elapsedSeconds:t.stage},verdict:t.sentence===void 0?e.verdict:{...e.verdict,sentence:t.sentence},versions:e.versions.map((o,i)=>{let[r,
l,c,p]=t.versions[i]??[null,null,null,null];return{...o,share:r??o.share,seen:l??void 0,units:c??o.units,requests:p??o.requests}}),findings:e.findings?.map(o=>{
if(H(o))return o;let i=t.comparisons?.[n++];if(!i)return o;let[r,l,c,p]=i;return{...o,estimate:r??void 0,interval:l!==null&&c!==null?{low:l,high:c}:void 0,n:p??
o.n}})}}var ue=5e3,it=2e4;function Ee(e){let t={mode:"connecting",skew:0},n=0,o,i=_=>e(t={...t,..._}),r=_=>{clearTimeout(n),n=0,i({mode:"live",..._})},l=async()=>{try{let _=await fetch(
"v1/experiment",{cache:"no-store",signal:AbortSignal.timeout(ue)});if(!_.ok)throw new Error(_.statusText);let u=await _.json(),f=Date.parse(_.headers.get("Date")??
""),h=Number.isNaN(f)?0:Date.now()-f-500,a=!t.view||u.plan!==t.view.plan||u.at>=t.view.at,d=n&&t.mode!=="live"&&t.mode!=="connecting"?"polling":t.mode;i({skew:Math.
abs(h)<1500?0:h,mode:d,...a?{view:u}:{}})}catch{n&&i({mode:t.mode==="ended"?"ended":"lost"})}},c=()=>{if(n)return;let _=async()=>{t.mode==="connecting"&&i({mode:"\
polling"}),await l(),n&&(n=setTimeout(_,ue))};n=setTimeout(_,0)},p=()=>{o=new EventSource("v1/experiment/events"),o.addEventListener("view",_=>r({view:JSON.parse(
_.data)})),o.addEventListener("tick",_=>{t.view&&r({view:je(t.view,JSON.parse(_.data))})}),o.addEventListener("end",()=>i({mode:"ended"})),o.onopen=()=>{t.view&&
t.mode!=="live"&&r({})},o.onerror=()=>{t.mode==="live"&&i({mode:"lost"}),c(),o.readyState===EventSource.CLOSED&&setTimeout(p,it)}};l(),p(),setTimeout(()=>{t.mode===
"connecting"&&c()},ue)}var pe=e=>e!==void 0&&Number.isFinite(e),Oe=e=>e.replace("-","−");function k(e,t=1){return pe(e)?`${Oe((100*e).toFixed(t))}%`:"–"}function R(e,t=1){if(!pe(e))return"–";let n=(100*e).toFixed(t);return Oe(Number(n)>0?`+${n}`:
n)}function A(e){return e.toString().replace(/\B(?=(\d{3})+$)/g,",")}function ee(e){return pe(e)?e<.01?`${(1e3*e).toFixed(1)} ms`:e<1?`${(1e3*e).toFixed(0)} ms`:
`${e.toFixed(2)} s`:"–"}function N(e){let t=Math.max(0,Math.floor(e));return t<60?`${t} s`:t<3600?`${Math.floor(t/60)} m ${t%60} s`:t<86400?`${Math.floor(t/3600)}\
 h ${Math.floor(t%3600/60)} m`:`${Math.floor(t/86400)} d ${Math.floor(t%86400/3600)} h`}function F(e){return new Date(e).toLocaleTimeString("en-GB")}function _e(e,t){
return t<864e5?F(e):new Date(e).toLocaleString("en-GB",{day:"numeric",month:"short",hour:"2-digit",minute:"2-digit"})}function Ae(e){return e>=1e6?e.toExponential(
0).replace("e+","e"):e>=100?A(Math.round(e)):e.toPrecision(2)}function q(e){let t=10**Math.floor(Math.log10(e));for(let n of[1,2,5,10])if(n*t>=e*(1-1e-9))return n*
t;return 10*t}var at=Symbol.for("pv"),lt=0;function s(e,t,n,o,i,r){t||(t={});var l,c,p=t;if("ref"in p&&typeof e!="function")for(c in p={},t)c=="ref"?l=t[c]:p[c]=t[c];var _={type:e,props:p,key:n,ref:l,__k:null,
__:null,__b:0,__e:null,__c:null,constructor:at,__v:--lt,__i:-1,__u:0};return(i||r)&&(_.__source=i,_.__self=r),v.vnode&&v.vnode(_),_}var Ne={better:["▲","good"],met:["✓","good"],"not worse":["≈","good"],worse:["▼","bad"],violated:["✕","bad"],untrustworthy:["!","warn"]};function U(e){
return Ne[e]?.[1]??"neutral"}function te({status:e}){return s("span",{class:`status ${U(e)}`,children:[s("span",{"aria-hidden":"true",children:Ne[e]?.[0]??"○"}),
" ",e]})}function Le(e){switch(e){case"any time":return"valid at any time";case"at looks":return"valid at looks";default:return"no error rate claimed"}}function ct(e){let t=e.flatMap(n=>[n.interval?.low??0,n.interval?.high??0,1.2*(n.limit??0)]);return q(Math.max(...t.map(Math.abs))||.1)}function We({view:e}){let t=(e.
findings??[]).filter(i=>!H(i)),n=e.versions[0]?.name??"the baseline",o=ct(t);return s("section",{class:"panel","aria-labelledby":"comparisons",children:[s("h2",
{id:"comparisons",children:["Difference to ",n]}),t.length===0&&s("p",{class:"empty",children:"Nothing is compared: the plan has no reward and no guardrail."}),
t.map(i=>s(ut,{f:i,reach:o},i.version+i.role+i.metric)),t.length>0&&s(_t,{reach:o,margins:t.some(i=>i.limit)})]})}var S=(e,t)=>`${50+50*Math.max(-1,Math.min(1,e/
t))}%`;function ut({f:e,reach:t}){let n=e.interval?`${R(e.estimate)} points, ${k(e.level,3).replace(/\.?0+%/,"%")} interval ${R(e.interval.low)} to ${R(e.interval.
high)}`:"no matured outcomes yet";return s("div",{class:"finding",children:[s("p",{class:"row",children:[s("b",{children:[e.version,": ",e.question]}),s(te,{status:e.
status})]}),s(pt,{f:e,reach:t,label:`${e.metric} of ${e.version}: ${n}`}),s("p",{class:"row numbers",children:[s("span",{children:n}),s("span",{class:"quiet",children:[
Le(e.guarantee),", ",A(e.n)," ",e.basis]})]})]})}function pt({f:e,reach:t,label:n}){let o=Math.abs(e.limit??0),i=U(e.status);return s("svg",{class:"plot",height:"\
44",role:"img","aria-label":n,children:[o>0&&s(M,{children:[s("rect",{class:"band",x:S(-o,t),width:`${100*o/t}%`,y:"0",height:"44"}),s("line",{class:"margin",x1:S(
-o,t),x2:S(-o,t),y1:"0",y2:"44"}),s("line",{class:"margin",x1:S(o,t),x2:S(o,t),y1:"0",y2:"44"})]}),s("line",{class:"zero",x1:"50%",x2:"50%",y1:"0",y2:"44"}),e.interval&&
s("g",{class:`whisker ${i}`,children:[s("line",{x1:S(e.interval.low,t),x2:S(e.interval.high,t),y1:"22",y2:"22"}),s("line",{x1:S(e.interval.low,t),x2:S(e.interval.
low,t),y1:"14",y2:"30"}),s("line",{x1:S(e.interval.high,t),x2:S(e.interval.high,t),y1:"14",y2:"30"}),e.estimate!==void 0&&s("circle",{cx:S(e.estimate,t),cy:"22",
r:"6"})]})]})}function _t({reach:e,margins:t}){let n=e<.04?1:0;return s(M,{children:[s("svg",{class:"axis",height:"20","aria-hidden":"true",children:[s("line",{
x1:"0",x2:"100%",y1:"0.5",y2:"0.5"}),[-1,-.5,0,.5,1].map(o=>s("g",{children:[s("line",{x1:`${50+50*o}%`,x2:`${50+50*o}%`,y1:"0",y2:"5"}),s("text",{x:`${50+50*o}\
%`,y:"17","text-anchor":o===-1?"start":o===1?"end":"middle",children:[R(o*e,n),o===1?" points":""]})]},o))]}),s("p",{class:"note",children:["Line: zero, no diff\
erence.",t&&" Shaded: smaller than the effect that matters."]})]})}var Re={start:"●",advance:"▲",hold:"▬",rollback:"▼",promote:"★",stop:"■",pause:"‖",resume:"▶",retry:"↻"},qe={rollback:"bad",promote:"good"},He=e=>e.
split("/").map(t=>Number.parseFloat(t)/100||0);function Ue({view:e}){return s("section",{class:"panel","aria-labelledby":"decisions",children:[s("h2",{id:"decis\
ions",children:"Decisions"}),s(mt,{view:e}),s("ol",{class:"decisions",reversed:!0,children:[...e.decisions].reverse().map(t=>s(dt,{d:t},t.at+t.code))})]})}function dt({
d:e}){return s("li",{class:"decision",children:[s("time",{dateTime:e.at,children:F(e.at)}),s("span",{class:`act ${qe[e.act]??"going"}`,children:[s("span",{"aria\
-hidden":"true",children:Re[e.act]??"◆"})," ",e.act]}),s("span",{class:"shift",children:e.from===e.to?e.to:`${e.from} → ${e.to}`}),s("span",{class:"why",children:[
e.reasons.join("; ")," ",s("span",{class:"quiet code",children:e.code})]})]})}var de=16,L=72;function mt({view:e}){let t=e.decisions,n=Date.parse(t[0]?.at??e.at),
o=Math.max(Date.parse(e.at),Date.parse(t[t.length-1]?.at??e.at),n+1e3),i=p=>2+96*(Date.parse(p)-n)/(o-n),r=p=>de+(L-de)*(1-p),l=t.map(p=>`${F(p.at)} ${p.act} to\
 ${p.to}`).join(", "),c=e.versions.slice(1).map((p,_)=>_+1);return s("svg",{class:"strip",height:L+18,role:"img","aria-label":`Share of the candidates over time\
: ${l}`,children:[s("line",{class:"grid",x1:"2%",x2:"98%",y1:r(1),y2:r(1)}),s("line",{class:"grid",x1:"2%",x2:"98%",y1:r(.5),y2:r(.5)}),s("line",{class:"base",x1:"\
2%",x2:"98%",y1:r(0),y2:r(0)}),t.map(p=>s("line",{class:"rule",x1:`${i(p.at)}%`,x2:`${i(p.at)}%`,y1:de,y2:L},p.at)),c.flatMap(p=>t.map((_,u)=>{let f=t[u+1],h=He(
_.to)[p]??0,a=He(_.from)[p]??0,d=`${i(_.at)}%`,x=f?`${i(f.at)}%`:"98%";return s("g",{class:`step v${p}`,children:[s("line",{x1:d,x2:d,y1:r(a),y2:r(h)}),s("line",
{x1:d,x2:x,y1:r(h),y2:r(h)})]},`${p} ${_.at}`)})),t.map(p=>s("text",{class:`glyph ${qe[p.act]??"going"}`,x:`${i(p.at)}%`,y:"11","text-anchor":"middle",children:Re[p.
act]??"◆"},p.at)),s("text",{class:"tick",x:"2%",y:L+15,children:_e(n,o-n)}),s("text",{class:"tick",x:"98%",y:L+15,"text-anchor":"end",children:_e(o,o-n)}),s("\
text",{class:"tick",x:"50%",y:L+15,"text-anchor":"middle",children:["share of ",e.versions.slice(1).map(p=>p.name).join(", ")||"candidates",", 0 to 100%"]})]})}function ht(e){if(!e.health.ok)return"warn";switch(e.verdict.outcome){case"promoted":case"objectives-met":return"good";case"rolled-back":case"objectives-violate\
d":return"bad";case void 0:case"":return e.condition==="paused"?"warn":"going";default:return"neutral"}}function Ie({view:e}){let{sentence:t}=e.verdict,n=t.indexOf(
"  "),o=n<0?"":t.slice(0,n),i=n<0?t:t.slice(n);return s("section",{class:`verdict ${ht(e)}`,"aria-label":"Verdict",children:[s("p",{class:"sentence",id:"verdict",
children:[s("strong",{children:o}),i]}),s(gt,{view:e}),s(ft,{view:e})]})}var me={key:"",text:""};function ft({view:e}){let t=e.verdict,n=[e.condition,e.stage.number,
e.stage.step,t.outcome,e.health.ok,e.decisions.length].join();return n!==me.key&&(me={key:n,text:t.sentence}),s("p",{class:"unseen",role:"status","aria-live":"p\
olite",children:me.text})}function gt({view:e}){let t=e.stage,n=t.steps>1?`, step ${t.step} of ${t.steps}`:"";return s("div",{class:"progress",children:[s("div",
{class:"track",role:"progressbar","aria-label":"Stage","aria-valuemin":0,"aria-valuemax":100,"aria-valuenow":Math.round(100*t.progress),children:Array.from({length:t.
of},(o,i)=>{let r=i+1<t.number?1:i+1===t.number?t.progress:0;return s("span",{class:"stage",children:s("span",{class:"filled",style:{width:`${100*r}%`}})},i)})}),
s("p",{children:[s("span",{children:["stage ",t.number," of ",t.of,": ",s("b",{children:t.name})," (",t.kind,")",n]}),s("span",{children:["reason ",s("span",{class:"\
code",children:e.verdict.code})]}),s("span",{class:"numbers",children:[k(t.progress,0)," after ",N(t.elapsedSeconds),", ",N(e.elapsedSeconds)," in all"]})]})]})}
function Be({health:e}){let t=`sample-ratio e-value ${Ae(e.mismatchEValue)}, alarm at 1,000`;return e.ok?s("p",{class:"health",id:"health",children:[s("span",{class:"\
status good",children:"evidence ok"})," ",t]}):s("div",{class:"banner warn",id:"health",role:"alert",children:[s("b",{children:"The evidence cannot be trusted n\
ow."})," Do not use the numbers below; they raise no share and promote nothing.",s("ul",{children:(e.trouble??[]).map(n=>s("li",{children:n},n))}),s("span",{class:"\
small",children:t})]})}var fe=({index:e})=>s("span",{class:`swatch v${e}`,"aria-hidden":"true"});function ze({view:e}){let t=Y(e);return s("section",{class:"panel","aria-labelledby":"\
versions",children:[s("h2",{id:"versions",children:"Versions"}),s("div",{class:"scroll",tabIndex:0,role:"region","aria-labelledby":"versions",children:s("table",
{class:"versions",children:[s("thead",{children:s("tr",{children:[s("th",{scope:"col",children:"version"}),s("th",{scope:"col",class:"bar",children:s("span",{class:"\
unseen",children:"share as a bar"})}),s("th",{scope:"col",class:"n",children:"share asked"}),s("th",{scope:"col",class:"n",children:t?"seen before":"seen"}),s("\
th",{scope:"col",class:"n",children:"units"}),s("th",{scope:"col",class:"n",children:"requests"}),s("th",{scope:"col",class:"n",children:"errors"}),s("th",{scope:"\
col",class:"n",children:"p50"}),s("th",{scope:"col",class:"n",children:"p95"}),s("th",{scope:"col",class:"n",children:"p99"}),s("th",{scope:"col",class:"n",children:"\
reward"}),s("th",{scope:"col",class:"n",children:"95%, one look"})]})}),s("tbody",{children:e.versions.map((n,o)=>s(vt,{v:n,index:o,done:t},n.name))})]})})]})}function vt({
v:e,index:t,done:n}){let o=n?void 0:e.seen;return s("tr",{children:[s("th",{scope:"row",children:[s(fe,{index:t}),e.name," ",s("span",{class:"role",children:e.role})]}),
s("td",{class:"bar",children:s("svg",{class:"share",height:"22","aria-hidden":"true",children:[s("rect",{class:"rail",x:"0",y:"6",width:"100%",height:"10",rx:"3"}),
s("rect",{class:`fill v${t}`,x:"0",y:"6",width:`${100*e.share}%`,height:"10",rx:"3"}),o!==void 0&&s("line",{class:"seen",x1:`${100*o}%`,x2:`${100*o}%`,y1:"1",y2:"\
21",children:s("title",{children:"seen"})})]})}),s("td",{class:"n strong",children:k(e.share)}),s("td",{class:"n",children:k(e.seen)}),s("td",{class:"n",children:A(
e.units)}),s("td",{class:"n",children:A(e.requests)}),s("td",{class:"n",children:k(e.errorRate,2)}),s("td",{class:"n",children:ee(e.p50Seconds)}),s("td",{class:"\
n",children:ee(e.p95Seconds)}),s("td",{class:"n",children:ee(e.p99Seconds)}),s("td",{class:"n strong",children:k(e.reward?.value,2)}),s("td",{class:"n quiet",children:e.
reward?`${k(e.reward.low,2)} to ${k(e.reward.high,2)}`:"–"})]})}function Je({view:e}){let t=(e.findings??[]).filter(H),n=[...new Set(t.map(o=>o.question))];return s("section",{class:"panel","aria-labelledby":"objectives",children:[
s("h2",{id:"objectives",children:"Objectives"}),n.length===0&&s("p",{class:"empty",children:"The plan has no objectives."}),n.map(o=>s(xt,{question:o,rows:t.filter(
i=>i.question===o),view:e},o))]})}function yt(e,t){let[,n]=e.split(" <= ");return!n||n.endsWith("%")?"":`requests over ${n}, at most ${k(t,2).replace(/\.?0+%/,"\
%")} of all`}function bt(e,t){let n=e[0]?.limit??0,o=e.flatMap(l=>[l.estimate??n,l.interval?.low??n,l.interval?.high??n]);if(t){let l=Math.min(Math.max(1-Math.min(
...o),1.2*(1-n)),Math.max(4*(1-n),1.2*(1-Math.min(n,...e.map(c=>c.estimate??1)))));return[Math.max(0,1-q(Math.max(l,1e-4))),1]}let i=e.map(l=>l.estimate??0),r=Math.
min(Math.max(...o,2*n),Math.max(4*n,1.2*Math.max(...i)));return[0,q(Math.max(r,1e-4))]}var Ge=(e,t,n)=>2+96*(e-t)/(n-t);function xt({question:e,rows:t,view:n}){
let o=e.includes(" >= "),[i,r]=bt(t,o),l=t[0]?.limit,c=yt(e,l),p=l===void 0?void 0:Ge(l,i,r),_=u=>k(u,2).replace(/\.?0+%/,"%");return s("div",{class:"objective",
children:[s("p",{class:"row",children:[s("b",{children:e}),s("span",{class:"quiet",children:c})]}),s("table",{children:[s("thead",{class:"unseen",children:s("tr",
{children:[s("th",{scope:"col",children:"version"}),s("th",{scope:"col",children:"plot"}),s("th",{scope:"col",children:"estimate"}),s("th",{scope:"col",children:"\
interval"}),s("th",{scope:"col",children:"status"})]})}),s("tbody",{children:[t.map(u=>s("tr",{children:[s("th",{scope:"row",children:[s(fe,{index:n.versions.findIndex(
f=>f.name===u.version)}),u.version]}),s("td",{class:"wide",children:s(wt,{f:u,from:i,to:r,least:o})}),s("td",{class:"n strong",children:k(u.estimate,2)}),s("td",
{class:"n interval",children:u.interval?`${k(u.interval.low,2)} to ${k(u.interval.high,2)}`:"–"}),s("td",{class:"s",children:s(te,{status:u.status})})]},u.version)),
s("tr",{class:"scale","aria-hidden":"true",children:[s("td",{}),s("td",{class:"wide",children:s("svg",{class:"axis",height:"16",children:[!(p<22)&&s("text",{x:"\
2%",y:"12","text-anchor":"start",children:_(i)}),!(p>78)&&s("text",{x:"98%",y:"12","text-anchor":"end",children:_(r)}),l!==void 0&&s("text",{x:`${p}%`,y:"12","t\
ext-anchor":p<10?"start":p>90?"end":"middle",children:["limit ",_(l)]})]})}),s("td",{colSpan:3})]})]})]})]})}function wt({f:e,from:t,to:n,least:o}){let i=c=>Ge(
c,t,n),r=c=>`${Math.max(0,Math.min(100,i(c)))}%`,l=e.limit??n;return s("svg",{class:"plot small",height:"24","aria-hidden":"true",children:[s("rect",{class:"for\
bidden",x:o?0:r(l),width:o?r(l):`${100-i(l)}%`,y:"0",height:"24"}),s("line",{class:"limit",x1:r(l),x2:r(l),y1:"0",y2:"24"}),e.interval&&s("g",{class:`whisker ${U(
e.status)}`,children:[s("line",{x1:r(e.interval.low),x2:r(e.interval.high),y1:"12",y2:"12"}),i(e.interval.low)>=0&&s("line",{x1:r(e.interval.low),x2:r(e.interval.
low),y1:"7",y2:"17"}),i(e.interval.high)<=100&&s("line",{x1:r(e.interval.high),x2:r(e.interval.high),y1:"7",y2:"17"}),e.estimate!==void 0&&s("circle",{cx:r(e.estimate),
cy:"12",r:"4.5"})]})]})}var kt=30;function $t(e,t){let n=Math.max(0,(t-Date.parse(e.at))/1e3),o=Y(e);return{age:n,final:o,old:!o&&n>kt}}function Ke({state:e,now:t}){let n=e.view;if(!n)
return s(St,{state:e});let o=$t(n,t),i=(n.namespace?`${n.namespace}/`:"")+n.name,r=n.verdict.sentence.split("  ")[0];return document.title=`${r} · ${i} · Headg\
ate`,s(M,{children:[s("header",{children:[s("span",{class:"brand",children:"Headgate"}),s("h1",{children:i}),s("span",{class:"plan",title:`plan ${n.plan}`,children:[
"plan ",n.plan.slice(0,8)]}),s(Vt,{state:e,fresh:o})]}),s("main",{class:o.old?"old":void 0,children:[s(Tt,{state:e,view:n,fresh:o}),s(Ie,{view:n}),s(Be,{health:n.
health}),s("div",{class:`results${n.health.ok?"":" untrusted"}`,children:[s(ze,{view:n}),s("div",{class:"columns",children:[s("div",{class:"stack",children:[s(We,
{view:n}),s(Je,{view:n})]}),s(Ue,{view:n})]})]})]}),s("footer",{children:["Read-only. Times are of this browser. ",s("a",{href:"v1/experiment",children:"JSON"}),
" · ",s("a",{href:"metrics",children:"metrics"})," · ",s("a",{href:"LICENSES.txt",children:"licenses"})]})]})}function St({state:e}){let t=e.mode==="lost"?"He\
adgate does not answer. Is it running? Trying again every few seconds.":"Waiting for the first view…";return s("p",{class:"plain",role:"status",children:t})}var Mt={
connecting:"connecting",live:"live",polling:"polling every 5 s",lost:"connection lost",ended:"Headgate has stopped"};function Vt({state:e,fresh:t}){let n=t.age<
1.5?"last update just now":`last update ${N(t.age)} ago`;return s("span",{class:`connection ${e.mode}`,id:"connection",children:[s("span",{class:"mode",children:Mt[e.
mode]}),s("span",{class:"age",children:t.final?"final":n})]})}function Tt({state:e,view:t,fresh:n}){let o="";return e.mode==="ended"?o=n.final?`Headgate has sto\
pped. This is how the experiment ended at ${F(t.at)}.`:`Headgate has stopped. This is the last it said, at ${F(t.at)}; a run goes on where it was when it is sta\
rted again.`:e.mode==="lost"&&(o=`The connection is lost. This is the state of ${F(t.at)}; trying again every few seconds.`),n.old&&(o+=` What is shown is ${N(n.
age)} old, so the verdict is not known now.`),o?s("p",{class:`banner ${n.old||e.mode==="lost"?"warn":"info"}`,id:"lost",role:"alert",children:o.trim()}):null}var Dt=document.getElementById("app"),ge={mode:"connecting",skew:0},Qe=()=>Pe(s(Ke,{state:ge,now:Date.now()-ge.skew}),Dt);Ee(e=>{ge=e,Qe()});setInterval(Qe,1e3);
