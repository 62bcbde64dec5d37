/** Clients that ask one after the other, on connections that stay: told how many of them, gives back how long each request took. */
import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"

interface Work {
  readonly port: number
  readonly clients: number
  /** Over all clients. */
  readonly requests: number
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

process.on("message", async ({ clients, image: path, port, requests }: Work) => {
  const image = readFileSync(path)
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const latencies: Array<number> = []
  let left = requests
  const started = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (left-- > 0) latencies.push(await ask(agent, port, image))
    })
  )
  const seconds = (performance.now() - started) / 1000
  agent.destroy()
  process.send!({ seconds, latencies })
})
process.on("disconnect", () => process.exit())
