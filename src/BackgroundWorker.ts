/**
 * A worker, wherever there is one: those of browsers, Deno and Bun are alike, and those of Node are close. Both sides speak
 * by messages, whose buffers may be handed over.
 */

/** The modules that run in workers, as programs import them: what each says first, so that another script is told at once. */
export const modules = {
  codec: "effect-segformer/image/worker",
  model: "effect-segformer/onnx/web/worker"
} as const

/** Of a worker that never was there, what is wrong: a bundle that lacks its script, say. */
export const notStarted = (module: keyof typeof modules, detail: string): string =>
  `the worker ${modules[module]}, a script of its own: ${detail}`

type Module = (typeof modules)[keyof typeof modules]

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
  /** Both sides are this library, as the first message showed: the only place where one is taken on trust. */
  readonly message: (message: Message) => void
  /** It is of no more use, and is ended: it threw what nobody caught, or (`isThere` is false) it never was what it should be. */
  readonly broken: (detail: string, isThere: boolean) => void
}

/** As workers tell it. */
interface Told<Message> {
  readonly message: (message: Message) => void
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

type Threads = NonNullable<ReturnType<typeof threads>>
type NodePort = NonNullable<Threads["parentPort"]>
type Thread = InstanceType<Threads["Worker"]>

/** A worker of `node:worker_threads`, whose own type only programs for Node have. */
export interface NodeWorker {
  readonly postMessage: (message: unknown) => void
  readonly terminate: () => Promise<number>
  readonly ref: () => void
  readonly unref: () => void
  readonly threadId: number
}

/** Makes a worker, as browsers or as Node have them. */
export type MakeWorker = () => Worker | NodeWorker

/** Node's ports are more than those of browsers. */
const isOfNode = (each: ArrayBuffer | MessagePort): each is ArrayBuffer | (MessagePort & NodePort) =>
  each instanceof ArrayBuffer || "ref" in each

const isOfWeb = (worker: Worker | Thread): worker is Worker => "addEventListener" in worker

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

export interface Starting {
  /** The module that it runs. */
  readonly module: Module
  /** Milliseconds that it may take to say that it is there: a minute by default, which no network or load takes. */
  readonly patience?: number | undefined
}

/** Takes a worker that was made, or starts the module at this address as Node does. Throws where that is none. */
export const start = <Message>(
  from: URL | MakeWorker,
  { module, patience = 60_000 }: Starting,
  events: WorkerEvents<Message>
): BackgroundWorker => {
  let state: "awaited" | "there" | "over" = "awaited"
  const over = () => {
    state = "over"
    clearTimeout(timer)
  }
  const broken = (detail: string) => {
    if (state === "over") return
    const isThere = state === "there"
    over()
    void end()
    events.broken(detail, isThere)
  }
  const instead = `make it of the module ${module}, which a cache may have in another version`
  const message = (given: Message) => {
    if (state === "there") return events.message(given)
    if (state === "over") return
    if (!Object.is(given, module)) return broken(`it runs another script: ${instead}`)
    state = "there"
    clearTimeout(timer)
  }
  const worker = typeof from === "function" ? made(from) : ofModule(from)
  const timer = setTimeout(() => {
    const silent = `it said nothing within ${patience / 1000} s: it runs another script, or was ended before`
    broken(`${silent}; ${instead}`)
  }, patience)
  const { end, ...own } = isOfWeb(worker)
    ? ofWeb(worker, { message, broken })
    : ofNode(worker, { message, broken })
  return {
    ...own,
    end: () => {
      over()
      return end()
    }
  }
}

/** Those that somebody has: another would hear what is for them. */
const taken = new WeakSet()

const made = (make: MakeWorker): Worker | Thread => {
  const worker: unknown = make()
  if (!isWorker(worker)) {
    const what =
      typeof worker === "object" && worker !== null ? `a ${worker.constructor?.name}` : String(worker)
    throw new Error(`\`worker\` must give a Worker, of the web or of node:worker_threads, but gave ${what}`)
  }
  if (taken.has(worker))
    throw new Error("`worker` gave one that it gave before: it must make another each time")
  taken.add(worker)
  if (!isOfWeb(worker) && worker.threadId === -1) throw new Error("`worker` gave one that has ended")
  return worker
}

const isWorker = (value: unknown): value is Worker | Thread =>
  typeof value === "object" && value !== null && "postMessage" in value && "terminate" in value

const ofModule = (from: URL): Thread => {
  const found = threads()
  if (found === undefined) throw new Error("there are no workers here")
  // What it prints is not this program's, and what conditions the program runs under are its own.
  return new found.Worker(from, { stderr: true, stdout: true })
}

const ofWeb = <Message>(worker: Worker, events: Told<Message>): BackgroundWorker => {
  worker.addEventListener("message", ({ data }) => events.message(data))
  worker.addEventListener("error", (event) => {
    event.preventDefault()
    events.broken(event.message ?? "it could not be loaded")
  })
  worker.addEventListener("messageerror", () => events.broken("a message of it could not be read"))
  // Bun's tell that they ended, as an empty script does at once; browsers and Deno do not.
  worker.addEventListener("close", (event) => {
    const code = "code" in event ? String(event.code) : "unknown"
    events.broken(`exit code ${code}`)
  })
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

const ofNode = <Message>(worker: Thread, events: Told<Message>): BackgroundWorker => {
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

/** The other side: what a worker is told, and how it answers. It says first which module it is. */
export const serve = <Message>(module: Module, receive: (message: Message, post: Post) => void): void => {
  const port = threads()?.parentPort
  if (port !== null && port !== undefined) {
    port.on("message", (message: Message) =>
      receive(message, (answer, transfer) =>
        handedOver((all) => port.postMessage(answer, all.filter(isOfNode)), transfer)
      )
    )
    port.postMessage(module)
    return
  }
  globalThis.addEventListener("message", ({ data }) =>
    receive(data, (answer, transfer) =>
      handedOver((all) => globalThis.postMessage(answer, { transfer: all }), transfer)
    )
  )
  globalThis.postMessage(module, { transfer: [] })
}

/** The same between two workers, each of which has one end of a `MessageChannel`. */
export const over = <Message>(port: MessagePort, receive: (message: Message) => void): Post => {
  port.addEventListener("message", ({ data }) => receive(data))
  port.start()
  return (message, transfer) => handedOver((all) => port.postMessage(message, all), transfer)
}
