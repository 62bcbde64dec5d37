/** Clients that ask one after the other, on connections that stay: told how many of them, gives back how long each request took. */
import { readFileSync } from "node:fs"
import { Agent } from "node:http"
import { ask } from "../overload/callers.ts"

interface Work {
  readonly port: number
  readonly clients: number
  /** Each client asks at least once, and no more once they are over. */
  readonly seconds: number
  readonly image: string
}

process.on("message", async ({ clients, image: path, port, seconds }: Work) => {
  const image = readFileSync(path)
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const latencies: Array<number> = []
  const started = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      do {
        const { status, took } = await ask(agent, { image, port })
        if (status !== 200) throw new Error(`status ${status}`)
        latencies.push(took)
      } while (performance.now() - started < seconds * 1000)
    })
  )
  const took = (performance.now() - started) / 1000
  agent.destroy()
  process.send!({ seconds: took, latencies })
})
process.on("disconnect", () => process.exit())
