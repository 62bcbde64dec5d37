/**
 * The memory of a run: a file to which a line is added for each image that is settled, done or failed. Lines are written
 * a few times a second, all that came together, so that they cost next to nothing; what a kill takes with it is done
 * again. The last line of a key counts.
 *
 * When the file is opened, a last line that is torn is cut off, and one that is broken elsewhere is left out. In memory an
 * image takes a slot in two `HashIndex`es, whatever its name is. What sinks keep for their end lies in a second file, and
 * the line says where.
 */
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, read, write } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect, Option, type Scope, Semaphore, Stream } from "effect"
import { RunFolderFailed, type SinkFailed } from "./BatchError.ts"
import * as HashIndex from "./HashIndex.ts"
import * as JournalLine from "./JournalLine.ts"
import type { DoneLine, Line } from "./JournalLine.ts"
import type { Failure, Receipt } from "./Receipt.ts"
import * as Tail from "./Tail.ts"
import * as Window from "./Window.ts"

export interface Journal {
  /** What is known of a key. */
  readonly find: (key: string) => Line | undefined
  /** The receipt of an image that is done and has this content. */
  readonly findContent: (content: string) => Receipt | undefined
  /** Notes that an image is done, or failed. It waits only while much is unwritten. */
  readonly add: (settled: Receipt | Failure) => Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** Writes what is not yet written, and makes it outlast a power cut. */
  readonly commit: Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** The lines of all images, each once, in the order they were settled. */
  readonly lines: Stream.Stream<Line, RunFolderFailed>
  /** The record that a sink keeps of an image; the empty text where it keeps none. */
  readonly record: (line: DoneLine, sink: string) => string
  /** Images that are done. */
  readonly done: () => number
  /** Images that failed, and were not done since. */
  readonly failed: () => number
  /** Lines that were broken, and left out. */
  readonly broken: number
}

/** Between two writes, in milliseconds. */
const pause = 100
/** With so many bytes unwritten, whoever adds more waits. */
const mostUnwritten = 4 * 1024 * 1024
/** Bytes read at a time: what is parsed of them takes a few milliseconds. */
const block = 256 * 1024

const readAsync = promisify(read)
const writeAsync = promisify(write)
const syncAsync = promisify(fdatasync)

/**
 * Opens the journal in a folder. When the scope ends, it is written to its end and closed. `flush` comes before each
 * write: what a line says is done must outlast a power cut first.
 */
export const open = Effect.fnUntraced(function* <R>(
  folder: string,
  flush: Effect.Effect<void, SinkFailed, R>
): Effect.fn.Return<Journal, RunFolderFailed, Scope.Scope | R> {
  const context = yield* Effect.context<R>()
  const failure = (error: unknown) =>
    new RunFolderFailed({ folder, detail: error instanceof Error ? error.message : String(error) })
  const attempt = <A>(work: () => Promise<A>) => Effect.tryPromise({ try: work, catch: failure })
  const openFile = (name: string) =>
    Effect.acquireRelease(
      Effect.try({
        try: () => openSync(join(folder, name), constants.O_RDWR | constants.O_CREAT, 0o644),
        catch: failure
      }),
      (fd) => Effect.sync(() => closeSync(fd))
    )
  const file = yield* openFile("journal.log")
  const recordFile = yield* openFile("records.log")
  const window = Window.make(file)

  const byKey = HashIndex.make()
  const byContent = HashIndex.make()
  let failed = 0
  let broken = 0
  /** What comes after the last line that is whole, as far as the file is read. */
  let tail = Tail.make(0, window)
  let problem: RunFolderFailed | SinkFailed | undefined

  const lineAt = (at: number): Line | undefined => {
    for (let length = 1024; ; length *= 4) {
      const bytes = tail.read(at, length)
      const to = bytes.indexOf(10)
      if (to >= 0) return JournalLine.decode(bytes.subarray(0, to))
      if (bytes.length < length) return undefined
    }
  }
  const isKey = (key: string) => (at: number) => lineAt(at)?.key === key
  const isContent = (content: string) => (at: number) => {
    const line = lineAt(at)
    return line !== undefined && !JournalLine.isFailed(line) && line.content === content
  }
  const index = (line: Line, at: number): void => {
    const before = byKey.set(line.key, at, isKey(line.key))
    const last = before < 0 ? undefined : lineAt(before)
    if (last !== undefined && JournalLine.isFailed(last)) failed--
    if (JournalLine.isFailed(line)) failed++
    else if (line.as === undefined) {
      const { content } = line
      if (byContent.find(content, isContent(content)) < 0) byContent.set(content, at, () => false)
    }
  }

  /** Lines of a block of the file and where the next block starts, which is where this one did at the file's end. */
  const readBlock = (from: number, size: number = block): Effect.Effect<Block, RunFolderFailed> =>
    Effect.flatMap(
      attempt(() => readAsync(file, Buffer.allocUnsafe(size), 0, size, from)),
      ({ buffer, bytesRead }) => {
        const bytes = buffer.subarray(0, bytesRead)
        const lines: Array<readonly [number, Line | undefined]> = []
        let at = 0
        for (let to = bytes.indexOf(10); to >= 0; to = bytes.indexOf(10, at)) {
          lines.push([from + at, JournalLine.decode(bytes.subarray(at, to))])
          at = to + 1
        }
        // A line longer than a block.
        return at === 0 && bytesRead === size
          ? readBlock(from, size * 4)
          : Effect.succeed({ lines, next: from + at })
      }
    )

  let written = 0
  for (;;) {
    const { lines, next } = yield* readBlock(written)
    if (next === written) break
    tail = Tail.make(next, window)
    for (const [at, line] of lines) {
      if (line === undefined) broken++
      else index(line, at)
    }
    written = next
  }
  // What follows the last whole line was torn by whatever ended the process that wrote it.
  yield* Effect.try({ try: () => ftruncateSync(file, written), catch: failure })
  const records = Tail.make(
    yield* Effect.try({ try: () => fstatSync(recordFile).size, catch: failure }),
    Window.make(recordFile)
  )

  const writeAll = async (fd: number, bytes: Buffer, from: number): Promise<void> => {
    for (let done = 0; done < bytes.length;) {
      done += (await writeAsync(fd, bytes, done, bytes.length - done, from + done)).bytesWritten
    }
    await syncAsync(fd)
  }
  const one = yield* Semaphore.make(1)
  const commit = Effect.suspend(() => {
    if (problem !== undefined) return Effect.fail(problem)
    if (tail.size() === 0) return Effect.void
    const recordsAt = records.end() - records.size()
    const linesAt = tail.end() - tail.size()
    const recordBytes = records.take()
    const lineBytes = tail.take()
    return Effect.provideContext(flush, context).pipe(
      Effect.andThen(
        attempt(async () => {
          if (recordBytes.length > 0) await writeAll(recordFile, recordBytes, recordsAt)
          records.settle()
          await writeAll(file, lineBytes, linesAt)
          tail.settle()
        })
      ),
      Effect.tapError((error) => Effect.sync(() => void (problem = error)))
    )
  }).pipe(one.withPermits(1), Effect.uninterruptible)

  yield* Effect.addFinalizer(() => Effect.ignore(commit))
  // A failure shows to whoever adds the next line.
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.andThen(Effect.sleep(pause), commit))))

  const add = (settled: Receipt | Failure): Effect.Effect<void, RunFolderFailed | SinkFailed> =>
    Effect.suspend(() => {
      if (problem !== undefined) return Effect.fail(problem)
      const line = "tag" in settled ? settled : JournalLine.ofReceipt(settled, keep(settled.records))
      const at = tail.end()
      tail.add(JournalLine.encode(line))
      index(line, at)
      return tail.size() + records.size() > mostUnwritten ? commit : Effect.void
    })
  const keep = (kept: Receipt["records"]): DoneLine["rec"] => {
    const rec: Record<string, readonly [number, number]> = {}
    for (const [sink, text] of Object.entries(kept)) {
      const at = records.end()
      rec[sink] = [at, records.add(text)]
    }
    return Object.keys(rec).length > 0 ? rec : undefined
  }

  const record = (line: DoneLine, sink: string): string => {
    const place = line.rec?.[sink]
    return place === undefined ? "" : records.read(...place).toString("utf8")
  }
  return {
    find: (key) => {
      const at = byKey.find(key, isKey(key))
      return at < 0 ? undefined : lineAt(at)
    },
    findContent: (content) => {
      const at = byContent.find(content, isContent(content))
      if (at < 0) return undefined
      const line = lineAt(at)
      if (line === undefined || JournalLine.isFailed(line)) return undefined
      return JournalLine.toReceipt(
        line,
        Object.fromEntries(Object.keys(line.rec ?? {}).map((sink) => [sink, record(line, sink)]))
      )
    },
    add,
    commit,
    lines: Stream.paginate(0, (from) =>
      Effect.map(readBlock(from), ({ lines, next }) => [
        lines.flatMap(([at, line]) => (line !== undefined && byKey.isAt(line.key, at) ? [line] : [])),
        next === from ? Option.none() : Option.some(next)
      ])
    ),
    record,
    done: () => byKey.size() - failed,
    failed: () => failed,
    broken
  }
})

interface Block {
  /** Each with its place; undefined where it is broken. */
  readonly lines: ReadonlyArray<readonly [at: number, line: Line | undefined]>
  readonly next: number
}
