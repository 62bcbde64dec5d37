/** Callers of `/v1/segment`: those that wait their turn, those that come whatever happens, and those that misbehave. */
import { Agent, request } from "node:http"
import { connect } from "node:net"

interface Target {
  readonly port: number
  readonly image: Buffer
}

export interface Seen {
  readonly seconds: number
  /** Of those that were served, in milliseconds. */
  readonly latencies: ReadonlyArray<number>
}

type Outcome = { readonly status: number; readonly took: number }

/** One request, of status 0 where the connection breaks; `hangUp` leaves it after so many milliseconds. */
export const ask = (agent: Agent, { image, port }: Target, hangUp?: number): Promise<Outcome> =>
  new Promise((resolve) => {
    const started = performance.now()
    const end = (status: number) => {
      clearTimeout(timer)
      resolve({ status, took: performance.now() - started })
    }
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
        response.on("end", () => end(response.statusCode ?? 0))
        response.on("error", () => end(0))
      }
    )
    outgoing.on("error", () => end(0))
    outgoing.end(image)
    const timer = hangUp === undefined ? undefined : setTimeout(() => outgoing.destroy(), hangUp)
  })

/**
 * So many callers, each of whom asks again once it is answered. Who is refused waits a moment. Counted is what is answered
 * after `lead` seconds, once their line is as long as it gets.
 */
export const closed = async ({
  clients,
  lead = 0,
  seconds,
  ...target
}: Target & {
  readonly clients: number
  readonly seconds: number
  readonly lead?: number
}): Promise<Seen> => {
  const agent = new Agent({ keepAlive: true })
  const latencies: Array<number> = []
  const started = performance.now()
  const first = started + lead * 1000
  const end = first + seconds * 1000
  const all = Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) {
        const { status, took } = await ask(agent, target)
        // What is answered after the end belongs to the time after it.
        if (status === 200 && performance.now() > first && performance.now() < end) latencies.push(took)
        if (status !== 200) await pause(200)
      }
    })
  )
  await pause(end - started)
  // Nobody waits for what is answered later.
  agent.destroy()
  await all
  await pause(1000)
  return { seconds, latencies }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Callers that hang up at a random moment and come again, until told to end. */
export const restless = ({
  clients,
  longest,
  ...target
}: Target & { readonly clients: number; readonly longest: number }): { readonly end: () => void } => {
  const agent = new Agent({ keepAlive: true })
  const over = new AbortController()
  for (let n = 0; n < clients; n++) {
    void (async () => {
      // Behind those that stay, as in a line that has been there for long.
      await pause(500)
      while (!over.signal.aborted) await ask(agent, target, Math.random() * longest)
    })()
  }
  return {
    end: () => {
      over.abort()
      agent.destroy()
    }
  }
}

/** Announces a body and sends a byte, or lies about its length; then it is gone after some seconds. */
const misbehave = (port: number, announced: number, sent: Buffer, seconds: number): void => {
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(`POST /v1/segment HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${announced}\r\n\r\n`)
    socket.write(sent)
    setTimeout(() => socket.destroy(), seconds * 1000).unref()
  })
  socket.on("error", () => {})
  socket.resume()
}

export interface Open extends Seen {
  readonly refused: number
  readonly failed: number
  readonly misbehaved: number
}

/** Requests at a rate, whether those before are answered or not; a share of them misbehaves in one of three ways. */
export const open = async ({
  misbehaving,
  rate,
  seconds,
  ...target
}: Target & {
  readonly rate: number
  readonly seconds: number
  readonly misbehaving: number
}): Promise<Open> => {
  const agent = new Agent({ keepAlive: true })
  const latencies: Array<number> = []
  const under: Array<Promise<void>> = []
  const counts = { refused: 0, failed: 0, misbehaved: 0 }
  const started = performance.now()
  const end = started + seconds * 1000
  for (let n = 0; n < rate * seconds; n++) {
    await pause(Math.max(0, started + (n * 1000) / rate - performance.now()))
    if (Math.random() < misbehaving) {
      const way = counts.misbehaved++ % 3
      if (way === 0) void ask(agent, target, Math.random() * 300)
      else if (way === 1) misbehave(target.port, target.image.length, target.image.subarray(0, 1), 8)
      else misbehave(target.port, target.image.length + 1000, target.image, 4)
      continue
    }
    under.push(
      ask(agent, target).then(({ status, took }) => {
        if (status === 503) counts.refused++
        else if (status !== 200) counts.failed++
        else if (performance.now() < end) latencies.push(took)
      })
    )
  }
  await Promise.all(under)
  agent.destroy()
  return { seconds, latencies, ...counts }
}

/** Asks `/ready` ten times a second. */
export const watch = (
  port: number
): { readonly end: () => Promise<{ readonly asked: number; readonly red: number }> } => {
  let asked = 0
  let red = 0
  const over = new AbortController()
  const ended = (async () => {
    while (!over.signal.aborted) {
      asked++
      const status = await fetch(`http://127.0.0.1:${port}/ready`).then(
        (response) => response.body?.cancel().then(() => response.status),
        () => 0
      )
      if (status !== 200) red++
      await pause(100)
    }
  })()
  return {
    end: async () => {
      over.abort()
      await ended
      return { asked, red }
    }
  }
}
