import { fork } from "node:child_process"
import sharp from "sharp"
const [w,h]=[4000,3000]
const raw = Buffer.alloc(w*h*3)
for (let i=0;i<raw.length;i++) raw[i]=(i*2654435761>>>13)&255
const big = await sharp(raw,{raw:{width:w,height:h,channels:3}}).png({compressionLevel:0}).toBuffer()
const b64 = big.toString("base64")
console.log("png",(big.length/1e6).toFixed(1))
const child = fork(new URL("./zz_server.ts",import.meta.url),{execArgv:["-C","source"]})
const once=()=>new Promise<any>(r=>child.once("message",r))
const {url}=await once()
const json=(b:any)=>({method:"POST",body:JSON.stringify(b),headers:{"content-type":"application/json"}})
const element=Buffer.concat([Buffer.from(new Uint32Array([big.length]).buffer),big])
const bin=(j:any,t:Buffer)=>{const hd=Buffer.from(JSON.stringify(j));return{method:"POST",body:Buffer.concat([hd,t]),headers:{"inference-header-content-length":String(hd.length)}}}
const form=(p:string)=>{const f=new FormData();f.append(p,new Blob([big]),"a.png");return{method:"POST",body:f}}
const cases:[string,string,any][]=[
 ["inspection","/upload",form("image")],
 ["hf raw","/",{method:"POST",body:big}],
 ["hf json","/",json({inputs:b64})],
 ["hf json escaped","/",{method:"POST",body:JSON.stringify({inputs:b64}).replaceAll("/","\\/")}],
 ["oip bytes bin","/v2/models/t/infer",bin({inputs:[{name:"image",datatype:"BYTES",shape:[1],parameters:{binary_data_size:element.length}}],parameters:{binary_data_output:true}},element)],
 ["oip bytes json","/v2/models/t/infer",json({inputs:[{name:"image",datatype:"BYTES",shape:[1],data:[b64]}]})],
 ["oip pixels bin","/v2/models/t/infer",bin({inputs:[{name:"input",datatype:"UINT8",shape:[h,w,3],parameters:{binary_data_size:raw.length}}],parameters:{binary_data_output:true}},raw)],
 ["oip pixels json","/v2/models/t/infer",json({inputs:[{name:"input",datatype:"UINT8",shape:[h,w,3],data:[...raw]}]})],
 ["roboflow","/infer/semantic_segmentation",json({model_id:"t",image:{type:"base64",value:b64}})],
 ["tf","/v1/models/t:predict",json({instances:[{b64}]})],
 ["tf png","/v1/models/t:predict",json({signature_name:"png",instances:[{b64}]})],
 ["torch","/predictions/t",{method:"POST",body:big}],
 ["bento","/segment",form("image")],
]
for(const [n,p,init] of cases){
 for (let k=0;k<3;k++){
 child.send("reset"); await new Promise(r=>setTimeout(r,200))
 const t=performance.now(); const r=await fetch(url+p,init); const size=(await r.arrayBuffer()).byteLength; const took=performance.now()-t
 child.send("stat"); const s=await once()
 if(k>0) console.log(n.padEnd(18),r.status,`${took.toFixed(0)} ms`,`${(size/1e6).toFixed(2)} MB`,`cpu ${s.cpu.toFixed(1)} max ${s.max.toFixed(1)} p99 ${s.p99.toFixed(1)}`, `rss ${s.rss.toFixed(0)}`)
 }
}
child.kill()
