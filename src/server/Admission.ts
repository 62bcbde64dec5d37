/**
 * Who may come in, and whose turn it is. A request arrives, and its body is waited for without a place; with its last
 * byte it takes one of the places of those who work or wait to. Where those are used up it is refused at once, before
 * its body is read. Work then waits for one of few turns.
 *
 * What a request announces takes nothing from others, only what has come does: who announces a body and sends none holds
 * a connection. Of the bodies that one address sends at once, the slowest makes room where there are too many; so does an answer
 * that is taken slowly, where all places are used up, of whoever has most of them.
 */
import { Clock, Duration, Effect, type Scope, Semaphore } from "effect"
import { CurrentAddress } from "./Address.ts"
import { Refusal } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

export type AdmissionLimits = Pick<
  ServerLimits,
  "concurrency" | "maxBodiesPerAddress" | "maxHeldBytes" | "maxPlacesPerAddress" | "queue"
>

/** A request whose body is waited for. */
export interface Arrival {
  /** Notes bytes that have come; the refusal where they are more than the server may hold. */
  readonly count: (bytes: number) => Refusal | undefined
  /** Told by the admission that it must make room for others. */
  onCut: (refusal: Refusal) => void
  /** With its body whole: takes its place, until its scope ends. */
  readonly place: Effect.Effect<void, Refusal>
}

export interface Admission {
  /** For a request whose body has so many bytes, until the scope ends. `cut` ends its answer, if that is taken slowly. */
  readonly enter: (bytes: number, cut?: () => boolean) => Effect.Effect<Arrival, Refusal, Scope.Scope>
  /** Waits for a turn, then works. */
  readonly work: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** `present`: all requests with images. `arriving`: those of them whose bodies are waited for. */
  readonly state: () => {
    readonly present: number
    readonly arriving: number
    readonly working: number
    readonly heldBytes: number
  }
}

/** What is known of one. */
interface Guest extends Arrival {
  readonly address: string
  readonly cut: () => boolean
  /** On the monotonic clock. */
  readonly since: bigint
  bytes: number
}

const countOf = (guests: ReadonlySet<Guest>, address: string): number =>
  [...guests].filter((guest) => guest.address === address).length

/** How long a body is given, in nanoseconds, before it may be told that it is the slowest. */
const grace = 100_000_000n

export const make = ({
  concurrency,
  maxBodiesPerAddress,
  maxHeldBytes,
  maxPlacesPerAddress,
  queue
}: AdmissionLimits): Admission => {
  const turns = Semaphore.makeUnsafe(concurrency)
  /** In the order in which they came: with a body that is waited for, with a place. */
  const arriving = new Set<Guest>()
  const placed = new Set<Guest>()
  let working = 0
  let heldBytes = 0
  /** Milliseconds an image takes, the latest counting most. */
  let usual = 500

  const busy = (detail: string) => {
    const wait = (usual * Math.max(1, placed.size)) / concurrency
    return new Refusal({
      status: 503,
      detail,
      reason: "busy",
      retryAfter: Duration.millis(Math.min(30_000, Math.max(1000, wait)))
    })
  }
  const full = () => busy("The service is busy: its queue is full. Try again shortly")
  const heavy = () => busy("The service is busy: it holds as much data as it may. Try again shortly")
  const crowded = () =>
    busy(`The service is busy: it waits for ${maxBodiesPerAddress} bodies from your address already`)

  /** Of those of an address, the one whose bytes come slowest; none that has only begun. */
  const slowest = (address: string, now: bigint): Guest | undefined => {
    let found: Guest | undefined
    let least = Infinity
    for (const guest of arriving) {
      const age = now - guest.since
      const rate = guest.bytes / Number(age)
      if (guest.address !== address || age < grace || rate >= least) continue
      found = guest
      least = rate
    }
    return found
  }

  /** Whether one who takes an answer slowly has made room, and has more places than that one. */
  const makeRoom = (): boolean => {
    const counts = new Map<string, number>()
    for (const { address } of placed) counts.set(address, (counts.get(address) ?? 0) + 1)
    const ownOf = ({ address }: Guest) => counts.get(address) ?? 0
    const slow = [...placed]
      .sort((a, b) => ownOf(b) - ownOf(a))
      .find((guest) => ownOf(guest) > 1 && guest.cut())
    if (slow !== undefined) leave(slow)
    return slow !== undefined
  }

  /** Whether there is no place for one more of this address. */
  const noPlace = (address: string): Refusal | undefined => {
    if (placed.size >= concurrency + queue && !makeRoom()) return full()
    return countOf(placed, address) >= maxPlacesPerAddress
      ? busy(
          `The service works on ${maxPlacesPerAddress} requests of your address already. Try again shortly`
        )
      : undefined
  }

  const leave = (guest: Guest): void => {
    placed.delete(guest)
    arriving.delete(guest)
    heldBytes -= guest.bytes
    guest.bytes = 0
  }

  const arrive = (announced: number, address: string, cut: () => boolean, now: bigint): Guest | Refusal => {
    const refused = noPlace(address)
    if (refused !== undefined) return refused
    // A single large body is never refused for ever.
    if (heldBytes > 0 && heldBytes + announced > maxHeldBytes) return heavy()
    if (countOf(arriving, address) >= maxBodiesPerAddress) {
      const victim = slowest(address, now)
      if (victim === undefined) return crowded()
      victim.onCut(
        new Refusal({
          status: 408,
          detail: `The body comes slower than the ${maxBodiesPerAddress} others of your address`
        })
      )
      leave(victim)
    }
    const guest: Guest = {
      address,
      cut,
      since: now,
      bytes: 0,
      onCut: () => {},
      count: (bytes) => {
        if (!arriving.has(guest) && !placed.has(guest)) return undefined
        if (heldBytes > guest.bytes && heldBytes + bytes > maxHeldBytes) return heavy()
        guest.bytes += bytes
        heldBytes += bytes
        return undefined
      },
      place: Effect.suspend(() => {
        if (!arriving.has(guest)) return Effect.void
        const refused = noPlace(address)
        if (refused !== undefined) return Effect.fail(refused)
        arriving.delete(guest)
        placed.add(guest)
        return Effect.void
      })
    }
    arriving.add(guest)
    return guest
  }

  return {
    enter: (bytes, cut = () => false) =>
      Effect.acquireRelease(
        Effect.flatMap(Effect.all([CurrentAddress, Clock.Clock]), ([address, clock]) => {
          const guest = arrive(bytes, address, cut, clock.monotonicTimeNanosUnsafe())
          return guest instanceof Refusal ? Effect.fail(guest) : Effect.succeed(guest)
        }),
        (guest) => Effect.sync(() => leave(guest))
      ),
    work: (self) =>
      turns.withPermit(
        Clock.clockWith((clock) =>
          Effect.suspend(() => {
            const started = millisOf(clock)
            working++
            return Effect.ensuring(
              self,
              Effect.sync(() => {
                working--
                const took = millisOf(clock) - started
                usual = usual * 0.8 + took * 0.2
              })
            )
          })
        )
      ),
    state: () => ({ present: placed.size + arriving.size, arriving: arriving.size, working, heldBytes })
  }
}
