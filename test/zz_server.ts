import { monitorEventLoopDelay } from "node:perf_hooks"
import { Effect, Layer, References } from "effect"
import { Transport } from "effect-segformer"
import { Dialects, SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
const classes = Array.from({ length: 20 }, (_, id) => ({ id, name: `c${id}` }))
const [w,h]=[4000,3000]
const data = new Uint8Array(w*h)
for (let y=0;y<h;y++) for (let x=0;x<w;x++) data[y*w+x]=Math.floor((Math.sin(x/300)+Math.cos(y/200)+2)*4.9)
const T = Transport.layer({ name:"t", describe: Effect.succeed({name:"t",classes}), predict: ()=>Effect.succeed({_tag:"Labels",classes,labelMap:{width:w,height:h,data}})})
const hist = monitorEventLoopDelay({resolution:1}); hist.enable()
let last=0, worst=0
const cpu=()=>{const c=(process as any).threadCpuUsage(); return (c.user+c.system)/1000}
last=cpu()
setInterval(()=>{const c=cpu(); if(c-last>worst) worst=c-last; last=c},1)
process.on("message",(m)=>{ if(m==="reset") {hist.reset(); worst=0; last=cpu()} else process.send!({cpu:worst,max:hist.max/1e6,p99:hist.percentile(99)/1e6, rss:process.memoryUsage().rss/1e6})})
await Effect.runPromise(Effect.scoped(Effect.gen(function*(){
  const dialects = yield* Dialects.load(Dialects.names)
  const s = yield* SegFormerServer.make({port:0,dialects})
  process.send!({url:s.url})
  yield* Effect.never
}).pipe(Effect.provide(Layer.merge(T,SharpCodec.layer)),Effect.provideService(References.MinimumLogLevel,"None"))))
