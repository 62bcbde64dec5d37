/**
 * A worker, wherever there is one: those of browsers, Deno and Bun are alike, and those of Node are close. Both sides speak
 * by messages, whose buffers may be handed over.
 */

/** What can be handed over and not copied. */
export type HandedOver = ReadonlyArray<ArrayBuffer | MessagePort>

export type Post = (message: unknown, transfer?: HandedOver) => void

/** This side of it. */
export interface BackgroundWorker {
  readonly post: Post
  /** Ends it at once, whatever it does; done when it is gone. */
  readonly end: () => Promise<unknown>
  /** Whether the program waits for it: a browser has no end to wait with. */
  readonly keepAlive: (yes: boolean) => void
}

export interface WorkerEvents<Message> {
  /** Both sides are this library at one version: the only place where a message is taken on trust. */
  readonly message: (message: Message) => void
  /** It is of no more use: it could not be loaded, or threw what nobody caught. */
  readonly broken: (detail: string) => void
}

/** Memory that cannot be handed over (a pool's, that of WebAssembly) is copied. */
const handedOver = (
  send: (transfer: Array<ArrayBuffer | MessagePort>) => void,
  transfer: HandedOver = []
): void => {
  if (transfer.length === 0) return send([])
  try {
    send([...transfer])
  } catch {
    send([])
  }
}

/** Node's, without an import that a bundle for browsers would trip over. */
const threads = () =>
  typeof process === "object" && typeof process.getBuiltinModule === "function"
    ? process.getBuiltinModule("node:worker_threads")
    : undefined

type NodePort = NonNullable<NonNullable<ReturnType<typeof threads>>["parentPort"]>

/** Node's ports are more than those of browsers. */
const isOfNode = (each: ArrayBuffer | MessagePort): each is ArrayBuffer | (MessagePort & NodePort) =>
  each instanceof ArrayBuffer || "ref" in each

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Takes a worker that was made as browsers make one, or starts the module at this address as Node does. */
export const start = <Message>(from: URL | (() => Worker), events: WorkerEvents<Message>): BackgroundWorker =>
  typeof from === "function" ? ofWeb(from(), events) : ofNode(from, events)

const ofWeb = <Message>(worker: Worker, events: WorkerEvents<Message>): BackgroundWorker => {
  worker.addEventListener("message", ({ data }) => events.message(data))
  worker.addEventListener("error", (event) => {
    event.preventDefault()
    events.broken(event.message ?? "it could not be loaded")
  })
  worker.addEventListener("messageerror", () => events.broken("a message of it could not be read"))
  return {
    post: (message, transfer) => handedOver((all) => worker.postMessage(message, all), transfer),
    end: async () => worker.terminate(),
    keepAlive: (yes) => {
      // Bun's has what Node's has.
      if (yes && "ref" in worker && typeof worker.ref === "function") worker.ref()
      if (!yes && "unref" in worker && typeof worker.unref === "function") worker.unref()
    }
  }
}

const ofNode = <Message>(from: URL, events: WorkerEvents<Message>): BackgroundWorker => {
  const found = threads()
  if (found === undefined) throw new Error("there are no workers here")
  // What it prints is not this program's, and what conditions the program runs under are its own.
  const worker = new found.Worker(from, { stderr: true, stdout: true })
  worker.on("message", events.message)
  worker.on("error", (cause) => events.broken(describe(cause)))
  worker.on("messageerror", (cause) => events.broken(describe(cause)))
  worker.on("exit", (code) => events.broken(`exit code ${code}`))
  return {
    post: (message, transfer) =>
      handedOver((all) => worker.postMessage(message, all.filter(isOfNode)), transfer),
    end: () => worker.terminate(),
    keepAlive: (yes) => (yes ? worker.ref() : worker.unref())
  }
}

/** The other side: what a worker is told, and how it answers. */
export const serve = <Message>(receive: (message: Message, post: Post) => void): void => {
  const port = threads()?.parentPort
  if (port !== null && port !== undefined) {
    port.on("message", (message: Message) =>
      receive(message, (answer, transfer) =>
        handedOver((all) => port.postMessage(answer, all.filter(isOfNode)), transfer)
      )
    )
    return
  }
  globalThis.addEventListener("message", ({ data }) =>
    receive(data, (answer, transfer) =>
      handedOver((all) => globalThis.postMessage(answer, { transfer: all }), transfer)
    )
  )
}

/** The same between two workers, each of which has one end of a `MessageChannel`. */
export const over = <Message>(port: MessagePort, receive: (message: Message) => void): Post => {
  port.addEventListener("message", ({ data }) => receive(data))
  port.start()
  return (message, transfer) => handedOver((all) => port.postMessage(message, all), transfer)
}
