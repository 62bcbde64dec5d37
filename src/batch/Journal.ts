/**
 * The memory of a run: a file to which a line is added for each image that is settled, done or failed. Lines are written
 * a few times a second, all that came together, so that they cost next to nothing; what a kill takes with it is done
 * again. The last line of a key counts.
 *
 * When the file is opened, a last line that is torn is cut off, and one that is broken elsewhere is left out. In memory an
 * image takes a slot in two `HashIndex`es, whatever its name is. What sinks keep for their end lies in a second file, and
 * the line says where.
 */
import { join } from "node:path"
import {
  Effect,
  FileSystem,
  identity,
  Option,
  type PlatformError,
  type Scope,
  Semaphore,
  Stream
} from "effect"
import { reasonOf } from "../files/NotWritten.ts"
import { RunFolderFailed, type SinkFailed } from "./BatchError.ts"
import * as HashIndex from "./HashIndex.ts"
import * as JournalLine from "./JournalLine.ts"
import type { DoneLine, Line } from "./JournalLine.ts"
import type { Failure, Receipt } from "./Receipt.ts"
import * as Tail from "./Tail.ts"
import * as Window from "./Window.ts"

export interface Journal {
  /** What is known of a key. */
  readonly find: (key: string) => Effect.Effect<Line | undefined, RunFolderFailed>
  /** The receipt of an image that is done and has this content. */
  readonly findContent: (content: string) => Effect.Effect<Receipt | undefined, RunFolderFailed>
  /** Notes that an image is done, or failed. It waits only while much is unwritten. */
  readonly add: (settled: Receipt | Failure) => Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** Writes what is not yet written, and makes it outlast a power cut. */
  readonly commit: Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** The lines of all images, each once, in the order they were settled. */
  readonly lines: Stream.Stream<Line, RunFolderFailed>
  /** The record that a sink keeps of an image; the empty text where it keeps none. */
  readonly record: (line: DoneLine, sink: string) => Effect.Effect<string, RunFolderFailed>
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

/** Bytes in which a line is looked for first. */
const oneLine = 1024

/**
 * Opens the journal in a folder. When the scope ends, it is written to its end and closed. `flush` comes before each
 * write: what a line says is done must outlast a power cut first.
 */
export const open = Effect.fnUntraced(function* <R>(
  folder: string,
  flush: Effect.Effect<void, SinkFailed, R>
): Effect.fn.Return<Journal, RunFolderFailed, Scope.Scope | FileSystem.FileSystem | R> {
  const fs = yield* FileSystem.FileSystem
  const context = yield* Effect.context<R>()
  const attempt = Effect.mapError(
    (error: PlatformError.PlatformError) => new RunFolderFailed({ folder, detail: reasonOf(error) })
  )
  // What is written comes at the end, whatever was read last.
  const openFile = (name: string) => attempt(fs.open(join(folder, name), { flag: "a+" }))
  const file = yield* openFile("journal.log")
  const recordFile = yield* openFile("records.log")
  const window = Window.make(file)
  const recordWindow = Window.make(recordFile)

  const byKey = HashIndex.make()
  const byContent = HashIndex.make()
  let failed = 0
  let broken = 0
  /** What comes after the last line that is whole, as far as the file is read. */
  let tail = Tail.make(0)
  let problem: RunFolderFailed | SinkFailed | undefined

  /**
   * Looks lines up by their places and goes on with what was found, in one go: a line that is not in memory is read, and
   * the look begins anew, so that nothing has changed between what is found and what is made of it.
   */
  const look = <A, B>(
    find: (lineAt: LineAt) => A,
    goOn: (found: A) => B
  ): Effect.Effect<B, RunFolderFailed> => {
    let loaded: ReadonlyArray<Window.Block> = []
    let length = oneLine
    let missing = -1
    const lineAt: LineAt = (at) => {
      if (missing >= 0) return undefined
      const line = firstLine(tail.from(at)) ?? lineIn(window.block(), at) ?? firstOf(loaded, at)
      if (line === undefined) missing = at
      return line && JournalLine.decode(line)
    }
    const again: Effect.Effect<B, RunFolderFailed> = Effect.suspend(() => {
      missing = -1
      const found = find(lineAt)
      if (missing < 0) return Effect.succeed(goOn(found))
      const at = missing
      return Effect.flatMap(attempt(window.load(at, length)), (block) => {
        const isWhole = lineIn(block, at) !== undefined
        if (!isWhole && block.start + block.bytes.length < at + length) {
          return Effect.fail(
            new RunFolderFailed({ folder, detail: `journal.log has ended before byte ${at}` })
          )
        }
        if (isWhole) loaded = [...loaded, block]
        length = isWhole ? oneLine : length * 4
        return again
      })
    })
    return again
  }
  const keyOf = (lineAt: LineAt, key: string) => byKey.find(key, (at) => lineAt(at)?.key === key)
  const contentOf = (lineAt: LineAt, content: string) =>
    byContent.find(content, (at) => {
      const line = lineAt(at)
      return line !== undefined && !JournalLine.isFailed(line) && line.content === content
    })

  /** Notes where a line stands; `stands` says where. */
  const index = (line: Line, stands: () => number): Effect.Effect<void, RunFolderFailed> =>
    look(
      (lineAt) => {
        const before = keyOf(lineAt, line.key)
        const isNew = !JournalLine.isFailed(line) && line.as === undefined
        return {
          before,
          last: before < 0 ? undefined : lineAt(before),
          isFirst: isNew && contentOf(lineAt, line.content) < 0
        }
      },
      ({ before, isFirst, last }) => {
        const at = stands()
        byKey.set(line.key, at, (place) => place === before)
        if (last !== undefined && JournalLine.isFailed(last)) failed--
        if (JournalLine.isFailed(line)) failed++
        else if (isFirst) byContent.set(line.content, at, () => false)
      }
    )

  /** Lines of a block of the file and where the next block starts, which is where this one did at the file's end. */
  const readBlock = (from: number, size: number = block): Effect.Effect<Lines, RunFolderFailed> =>
    Effect.suspend(() => {
      const buffer = Buffer.allocUnsafe(size)
      return Effect.flatMap(attempt(file.read(buffer, { position: BigInt(from) })), (bytesRead) => {
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
      })
    })

  let written = 0
  for (;;) {
    const { lines, next } = yield* readBlock(written)
    if (next === written) break
    tail = Tail.make(next)
    for (const [at, line] of lines) {
      if (line === undefined) broken++
      else yield* index(line, () => at)
    }
    written = next
  }
  // What follows the last whole line was torn by whatever ended the process that wrote it.
  const size = Number((yield* attempt(file.stat)).size)
  // By its name: Windows cuts off nothing through a file that is open for what comes at its end.
  if (size > written) yield* attempt(fs.truncate(join(folder, "journal.log"), written))
  const records = Tail.make(Number((yield* attempt(recordFile.stat)).size))

  const one = yield* Semaphore.make(1)
  const writeAll = (to: FileSystem.File, bytes: Buffer) =>
    attempt(Effect.andThen(to.writeAll(bytes), to.sync))
  const commit = Effect.suspend(() => {
    if (problem !== undefined) return Effect.fail(problem)
    if (tail.size() === 0) return Effect.void
    const recordBytes = records.take()
    const lineBytes = tail.take()
    return Effect.provideContext(flush, context).pipe(
      Effect.andThen(recordBytes.length > 0 ? writeAll(recordFile, recordBytes) : Effect.void),
      Effect.andThen(Effect.sync(records.settle)),
      Effect.andThen(writeAll(file, lineBytes)),
      Effect.andThen(Effect.sync(tail.settle)),
      Effect.tapError((error) => Effect.sync(() => void (problem = error)))
    )
  }).pipe(one.withPermits(1), Effect.uninterruptible)

  yield* Effect.addFinalizer(() => Effect.ignore(commit))
  // A failure shows to whoever adds the next line.
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.andThen(Effect.sleep(pause), commit))))

  const add = (settled: Receipt | Failure): Effect.Effect<void, RunFolderFailed | SinkFailed> =>
    Effect.suspend(() => {
      if (problem !== undefined) return Effect.fail(problem)
      const line = "tag" in settled ? settled : JournalLine.ofReceipt(settled)
      const put = () => {
        const at = tail.end()
        const rec = "tag" in settled ? undefined : keep(settled.records)
        tail.add(JournalLine.encode(rec === undefined ? line : { ...line, rec }))
        return at
      }
      return Effect.flatMap(index(line, put), () =>
        tail.size() + records.size() > mostUnwritten ? commit : Effect.void
      )
    })
  const keep = (kept: Receipt["records"]): DoneLine["rec"] => {
    const rec: Record<string, readonly [number, number]> = {}
    for (const [sink, text] of Object.entries(kept)) {
      const at = records.end()
      rec[sink] = [at, records.add(text)]
    }
    return Object.keys(rec).length > 0 ? rec : undefined
  }

  const record = (line: DoneLine, sink: string): Effect.Effect<string, RunFolderFailed> =>
    Effect.suspend(() => {
      const place = line.rec?.[sink]
      if (place === undefined) return Effect.succeed("")
      const [at, length] = place
      const here = records.from(at) ?? bytesIn(recordWindow.block(), at, length)
      return here === undefined
        ? Effect.map(attempt(recordWindow.load(at, length)), (block) =>
            block.bytes.toString("utf8", at - block.start, at - block.start + length)
          )
        : Effect.succeed(here.toString("utf8", 0, length))
    })
  return {
    find: (key) => look((lineAt) => lineIf(lineAt, keyOf(lineAt, key)), identity),
    findContent: Effect.fnUntraced(function* (content) {
      const line = yield* look((lineAt) => lineIf(lineAt, contentOf(lineAt, content)), identity)
      if (line === undefined || JournalLine.isFailed(line)) return undefined
      const records: Record<string, string> = {}
      for (const sink of Object.keys(line.rec ?? {})) records[sink] = yield* record(line, sink)
      return JournalLine.toReceipt(line, records)
    }),
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

/** The line that stands at a place; undefined where there is none, or it is not in memory. */
type LineAt = (at: number) => Line | undefined

const lineIf = (lineAt: LineAt, at: number) => (at < 0 ? undefined : lineAt(at))

interface Lines {
  /** Each with its place; undefined where it is broken. */
  readonly lines: ReadonlyArray<readonly [at: number, line: Line | undefined]>
  readonly next: number
}

/** The bytes before the first end of a line, if there is one. */
const firstLine = (bytes: Buffer | undefined): Buffer | undefined => {
  const to = bytes?.indexOf(10) ?? -1
  return to < 0 ? undefined : bytes?.subarray(0, to)
}

const lineIn = ({ bytes, start }: Window.Block, at: number): Buffer | undefined =>
  at < start || at >= start + bytes.length ? undefined : firstLine(bytes.subarray(at - start))

const firstOf = (blocks: ReadonlyArray<Window.Block>, at: number): Buffer | undefined => {
  for (const block of blocks) {
    const line = lineIn(block, at)
    if (line !== undefined) return line
  }
  return undefined
}

const bytesIn = ({ bytes, start }: Window.Block, at: number, length: number): Buffer | undefined =>
  at < start || at + length > start + bytes.length ? undefined : bytes.subarray(at - start)
