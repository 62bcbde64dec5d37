/** What stands out: the class or region that was picked, and while one points at another, that. */
import type { ModelClass } from "./Api.ts"
import * as Appearance from "./Appearance.ts"
import * as Notices from "./Notices.ts"
import type { Emphasis } from "./Overlay.ts"
import * as Part from "./Part.ts"
import * as RegionMask from "./RegionMask.ts"
import type { Result } from "./Result.ts"
import type { Stage } from "./Stage.ts"
import { isSame, type Target } from "./Tables.ts"

export interface Picking {
  readonly picked: () => Target | undefined
  /** Shows a class or region alone; picked once more, everything. */
  readonly pick: (target: Target | undefined) => void
  readonly point: (target: Target | undefined) => void
  /** Goes to the next region, or the one before. */
  readonly step: (by: 1 | -1) => void
  /** The pixels of the region that is picked, once they are known. */
  readonly mask: () => RegionMask.RegionMask | undefined
  readonly emphasis: () => Emphasis | undefined
  /** What of a result is shown: without hidden classes and what is not picked, which are background. */
  readonly part: (result: Result, table: ReadonlyArray<ModelClass>) => Part.Part
  readonly clear: () => void
}

export interface PickingOptions {
  readonly stage: Stage
  readonly result: () => Result | undefined
  readonly onChange: (target: Target | undefined) => void
}

/** How much the rest darkens beside what was picked, and beside what is only pointed at. */
const veils = { picked: 0.65, pointed: 0.45 }

export const make = ({ onChange, result, stage }: PickingOptions): Picking => {
  let picked: Target | undefined
  let mask: RegionMask.RegionMask | undefined
  let looking = new AbortController()

  const marked = (target: Target) => {
    const { className, region } = target
    return region === undefined
      ? (result()?.regions.filter((one) => one.className === className) ?? [])
      : [region]
  }

  /** Its class at once, and the region's own pixels as soon as they are found. */
  const emphasize = async (target: Target | undefined, veil: number, isPicked: boolean): Promise<void> => {
    looking.abort()
    looking = new AbortController()
    if (target === undefined) return stage.emphasis(undefined, [])
    const { className, region } = target
    const of = result()
    if (isPicked && mask !== undefined) {
      return stage.emphasis({ className, region: mask, veil }, marked(target))
    }
    if (region === undefined || of === undefined) {
      return stage.emphasis({ className, veil }, marked(target))
    }
    const { signal } = looking
    const id = of.classes.find(({ name }) => name === className)?.id ?? -1
    const found = await RegionMask.find(of.labels, id, region, of, signal)
    if (signal.aborted) return
    if (isPicked) {
      mask = found
      onChange(picked)
    }
    stage.emphasis({ className, region: found, veil }, marked(target))
  }

  const pick = (target: Target | undefined) => {
    picked = isSame(target, picked) ? undefined : target
    mask = undefined
    onChange(picked)
    void emphasize(picked, veils.picked, true)
    const { className, region } = picked ?? {}
    const what = region === undefined ? className : `region ${region.id}, ${className}`
    Notices.say(what === undefined ? "All classes are shown" : `Only ${what} is shown`)
  }

  return {
    picked: () => picked,
    pick,
    point: (target) =>
      void (target === undefined
        ? emphasize(picked, veils.picked, true)
        : emphasize(target, veils.pointed, false)),
    step: (by) => {
      const all = result()?.regions ?? []
      if (all.length === 0) return Notices.say("There are no regions")
      const at = all.findIndex(({ id }) => id === picked?.region?.id)
      const region = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]
      if (region === undefined) return
      if (region.id !== picked?.region?.id) pick({ className: region.className, region })
      stage.fly(region.box)
    },
    mask: () => mask,
    emphasis: () => picked && { className: picked.className, region: mask, veil: veils.picked },
    part: (of, table) =>
      Part.make(of, table, {
        has: (name) =>
          Appearance.of(name).isHidden !== true && (picked === undefined || picked.className === name),
        region: of === result() && mask !== undefined ? { id: picked?.region?.id, mask } : undefined
      }),
    clear: () => {
      looking.abort()
      picked = mask = undefined
      onChange(undefined)
    }
  }
}
