/**
 * The memory of a run: a file to which a line is added for each image that is settled, done or failed. Lines are written
 * a few times a second, all that came together, so that they cost next to nothing; what a kill takes with it is done
 * again. The last line of a key counts.
 *
 * When the file is opened, a last line that is torn is cut off, and one that is broken elsewhere is left out. In memory an
 * image takes a slot in two `HashIndex`es, whatever its name is. What sinks keep for their end lies in a second file, and
 * the line says where, with its checksum; a short text stands in the line.
 */
import { join } from "node:path"
import { crc32 } from "node:zlib"
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
import { folded } from "../jobs/FileName.ts"
import { RunFolderFailed, type SinkFailed } from "./BatchError.ts"
import * as HashIndex from "./HashIndex.ts"
import * as JournalLine from "./JournalLine.ts"
import type { DoneLine, Line } from "./JournalLine.ts"
import type { Failure, Receipt } from "./Receipt.ts"
import * as Tail from "./Tail.ts"
import * as Window from "./Window.ts"

/** An image that is done, and was of this version. */
export interface Done extends Receipt {
  readonly version?: string | undefined
}

export interface Journal {
  /** What is known of a key. */
  readonly find: (key: string) => Effect.Effect<Line | undefined, RunFolderFailed>
  /** An image that is done and whose key differs from this one in nothing but the case of letters or how they are composed. */
  readonly findAlike: (key: string) => Effect.Effect<Line | undefined, RunFolderFailed>
  /** The receipt of an image that is done and has this content. */
  readonly findContent: (content: string) => Effect.Effect<Receipt | undefined, RunFolderFailed>
  /** Notes that an image is done, or failed. It waits only while much is unwritten. */
  readonly add: (settled: Done | Failure) => Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** Notes that what a line says holds for another version of its image. */
  readonly renew: (line: DoneLine, version: string) => Effect.Effect<void, RunFolderFailed | SinkFailed>
  /**
   * Notes that an image that is done is done again, at once: what is written for it from then on may be of another
   * content, also where the run is stopped before that is noted.
   */
  readonly redo: (line: DoneLine) => Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** Writes what is not yet written, and makes it outlast a power cut. */
  readonly commit: Effect.Effect<void, RunFolderFailed | SinkFailed>
  /** The lines of all images, each once, in the order they were settled. */
  readonly lines: Stream.Stream<Line, RunFolderFailed>
  /** The record that a sink keeps of an image; the empty text where it keeps none, undefined where it is broken. */
  readonly record: (line: DoneLine, sink: string) => Effect.Effect<string | undefined, RunFolderFailed>
  /** Images that are done. */
  readonly done: () => number
  /** Images that failed, and were not done since. */
  readonly failed: () => number
  /** Lines that were broken, and left out. */
  readonly broken: number
  /** Lines whose records are not there any more, and left out likewise. */
  readonly lost: number
}

/** Between two writes, in milliseconds. */
const pause = 100
/** With so many bytes unwritten, whoever adds more waits. */
const mostUnwritten = 4 * 1024 * 1024
/** Bytes read at a time: what is parsed of them takes a few milliseconds. */
const block = 256 * 1024

/** Texts of so many characters stand in the line itself: another look into a file would cost more. */
const short = 40

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
  let lost = 0
  /** What comes after the last line that is whole, as far as the file is read. */
  let tail = Tail.make(0)
  let problem: RunFolderFailed | SinkFailed | undefined

  /** The line that was asked for and is not in memory, and where lines are looked for besides. */
  let missing = -1
  let loaded: ReadonlyArray<Window.Block> = []
  let lastAt = -1
  let lastLine: Line | undefined
  /** The line at a place; undefined where there is none, or it has to be read first. */
  const lineAt = (at: number): Line | undefined => {
    if (missing >= 0) return undefined
    if (at === lastAt) return lastLine
    const bytes = firstLine(tail.from(at)) ?? lineIn(window.block(), at) ?? firstOf(loaded, at)
    if (bytes === undefined) {
      missing = at
      return undefined
    }
    lastAt = at
    lastLine = JournalLine.decode(bytes)
    return lastLine
  }
  const lineIf = (at: number) => (at < 0 ? undefined : lineAt(at))

  /**
   * Does work that looks lines up, in one go: where a line is not in memory it is read, and the work begins anew, so that
   * nothing has changed between what is found and what is made of it. Work changes nothing before its last look.
   */
  const look = <A>(
    work: () => A,
    blocks: ReadonlyArray<Window.Block> = [],
    length = oneLine
  ): Effect.Effect<A, RunFolderFailed> =>
    Effect.suspend(() => {
      missing = -1
      loaded = blocks
      const found = work()
      return missing < 0 ? Effect.succeed(found) : read(missing, work, blocks, length)
    })
  const read = <A>(
    at: number,
    work: () => A,
    blocks: ReadonlyArray<Window.Block>,
    length: number
  ): Effect.Effect<A, RunFolderFailed> =>
    Effect.flatMap(attempt(window.load(at, length)), (block) => {
      if (lineIn(block, at) !== undefined) return look(work, [...blocks, block])
      return block.start + block.bytes.length < at + length
        ? Effect.fail(new RunFolderFailed({ folder, detail: `journal.log has ended before byte ${at}` }))
        : look(work, blocks, length * 4)
    })
  const keyOf = (key: string) => byKey.find(folded(key), (at) => lineAt(at)?.key === key)
  const contentOf = (content: string) =>
    byContent.find(content, (at) => {
      const line = lineAt(at)
      return line !== undefined && !JournalLine.isFailed(line) && line.content === content
    })

  /** Notes where a line stands, which `stands` says; says whether all that it looked for was in memory. */
  const index = (line: Line, stands: () => number): boolean => {
    const before = keyOf(line.key)
    const last = lineIf(before)
    const isNoOriginal = JournalLine.isDone(line) && (line.as !== undefined || JournalLine.isRedone(line))
    const equal = JournalLine.isFailed(line) || isNoOriginal ? undefined : contentOf(line.content)
    const known = equal === undefined ? undefined : lineIf(equal)
    if (missing >= 0) return false
    // Another image with this content may have become one with another: its results are no more of this content.
    const isFirst = known === undefined || known.key === line.key || !byKey.isAt(folded(known.key), equal!)
    const at = stands()
    byKey.set(folded(line.key), at, (place) => place === before)
    if (last !== undefined && JournalLine.isFailed(last)) failed--
    if (JournalLine.isFailed(line)) failed++
    else if (equal !== undefined && isFirst) byContent.set(line.content, at, (place) => place === equal)
    return true
  }
  /** The same without an effect where nothing has to be read, as for most lines. */
  const indexed = (line: Line, stands: () => number): Effect.Effect<unknown, RunFolderFailed> | undefined => {
    missing = -1
    loaded = []
    return index(line, stands) ? undefined : look(() => index(line, stands))
  }

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

  const recordsEnd = Number((yield* attempt(recordFile.stat)).size)
  let written = 0
  for (;;) {
    const { lines, next } = yield* readBlock(written)
    if (next === written) break
    tail = Tail.make(next)
    for (const [at, line] of lines) {
      if (line === undefined) broken++
      // Another record would come to stand where that one stood.
      else if (JournalLine.recordsEnd(line) > recordsEnd) lost++
      else {
        const reading = indexed(line, () => at)
        if (reading !== undefined) yield* reading
      }
    }
    written = next
  }
  // What follows the last whole line was torn by whatever ended the process that wrote it.
  const size = Number((yield* attempt(file.stat)).size)
  // By its name: Windows cuts off nothing through a file that is open for what comes at its end.
  if (size > written) yield* attempt(fs.truncate(join(folder, "journal.log"), written))
  const records = Tail.make(recordsEnd)

  const one = yield* Semaphore.make(1)
  const writeAll = (to: FileSystem.File, bytes: Buffer) =>
    attempt(Effect.andThen(to.writeAll(bytes), to.sync))
  // A folder that was moved or removed keeps what is written to it, and nobody finds that again.
  const stillThere = fs.exists(join(folder, "journal.log")).pipe(
    attempt,
    Effect.filterOrFail(
      (isThere) => isThere,
      () =>
        new RunFolderFailed({
          folder,
          detail: "it was moved or removed while the run was at work, and without it all is done again"
        })
    )
  )
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
      Effect.andThen(stillThere),
      Effect.tapError((error) => Effect.sync(() => void (problem = error)))
    )
  }).pipe(one.withPermits(1), Effect.uninterruptible)

  yield* Effect.addFinalizer(() => Effect.ignore(commit))
  // A failure shows to whoever adds the next line.
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.andThen(Effect.sleep(pause), commit))))

  const add: Journal["add"] = (settled) =>
    "tag" in settled
      ? note(settled)
      : note(JournalLine.ofReceipt(settled, settled.version), (line) => {
          const rec = keep(settled.records)
          return rec === undefined ? line : { ...line, rec }
        })
  const note = <A extends Line>(line: A, whole: (line: A) => Line = identity) =>
    Effect.suspend(() => {
      if (problem !== undefined) return Effect.fail(problem)
      const put = () => {
        const at = tail.end()
        tail.add(JournalLine.encode(whole(line)))
        return at
      }
      const reading = indexed(line, put)
      return reading === undefined ? relief() : Effect.flatMap(reading, relief)
    })
  const relief = () => (tail.size() + records.size() > mostUnwritten ? commit : Effect.void)
  const keep = (kept: Receipt["records"]): DoneLine["rec"] => {
    const rec: Record<string, string | JournalLine.Place> = {}
    for (const [sink, text] of Object.entries(kept)) {
      if (text.length <= short) rec[sink] = text
      else {
        const at = records.end()
        rec[sink] = [at, records.add(text), crc32(text)]
      }
    }
    return Object.keys(rec).length > 0 ? rec : undefined
  }

  const record: Journal["record"] = (line, sink) =>
    Effect.suspend(() => {
      const place = line.rec?.[sink]
      if (place === undefined || typeof place === "string") return Effect.succeed(place ?? "")
      const [at, length, sum] = place
      const textOf = (bytes: Buffer | undefined): string | undefined => {
        const own = bytes?.subarray(0, length)
        const isWhole = own?.length === length && (sum === undefined || crc32(own) === sum)
        return isWhole ? own.toString("utf8") : undefined
      }
      const here = records.from(at) ?? bytesIn(recordWindow.block(), at, length)
      return here === undefined
        ? Effect.map(attempt(recordWindow.load(at, length)), (block) => textOf(bytesIn(block, at, length)))
        : Effect.succeed(textOf(here))
    })
  const receiptOf = Effect.fnUntraced(function* (line: DoneLine) {
    const records: Record<string, string> = {}
    for (const sink of Object.keys(line.rec ?? {})) {
      const text = yield* record(line, sink)
      if (text === undefined) return undefined
      records[sink] = text
    }
    return JournalLine.toReceipt(line, records)
  })
  return {
    find: (key) => look(() => lineIf(keyOf(key))),
    findAlike: (key) =>
      look(() =>
        lineIf(
          byKey.find(folded(key), (at) => {
            const line = lineAt(at)
            return (
              line !== undefined &&
              line.key !== key &&
              JournalLine.isDone(line) &&
              folded(line.key) === folded(key)
            )
          })
        )
      ),
    findContent: (content) =>
      Effect.flatMap(
        look(() => {
          const at = contentOf(content)
          const line = lineIf(at)
          return line !== undefined && byKey.isAt(folded(line.key), at) ? line : undefined
        }),
        (line) => (line === undefined || JournalLine.isFailed(line) ? Effect.undefined : receiptOf(line))
      ),
    add,
    renew: (line, version) => note({ ...line, v: version }),
    redo: (line) => Effect.andThen(note(JournalLine.redone(line)), commit),
    commit,
    lines: Stream.paginate(0, (from) =>
      Effect.map(readBlock(from), ({ lines, next }) => [
        lines.flatMap(([at, line]) => (line !== undefined && byKey.isAt(folded(line.key), at) ? [line] : [])),
        next === from ? Option.none() : Option.some(next)
      ])
    ),
    record,
    done: () => byKey.size() - failed,
    failed: () => failed,
    broken,
    lost
  }
})

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
