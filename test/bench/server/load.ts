/** Clients that ask one after the other, on connections that stay: told how many of them, gives back how long each request took. */
import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"

interface Work {
  readonly port: number
  readonly clients: number
  /** Each client asks at least once, and no more once they are over. */
  readonly seconds: number
  readonly image: string
}

const ask = (agent: Agent, port: number, image: Buffer): Promise<number> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const outgoing = request(
      {
        agent,
        port,
        host: "127.0.0.1",
        method: "POST",
        path: "/v1/segment",
        headers: { "content-type": "image/jpeg", "content-length": image.length }
      },
      (response) => {
        response.resume()
        response.on("end", () => {
          if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
          else resolve(performance.now() - started)
        })
        response.on("error", reject)
      }
    )
    outgoing.on("error", reject)
    outgoing.end(image)
  })

process.on("message", async ({ clients, image: path, port, seconds }: Work) => {
  const image = readFileSync(path)
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const latencies: Array<number> = []
  const started = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      do latencies.push(await ask(agent, port, image))
      while (performance.now() - started < seconds * 1000)
    })
  )
  const took = (performance.now() - started) / 1000
  agent.destroy()
  process.send!({ seconds: took, latencies })
})
process.on("disconnect", () => process.exit())
