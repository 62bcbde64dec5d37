/** Keeps the page's address as what is looked at, and once goes where the address said. */
import { byId } from "./Dom.ts"
import * as Link from "./Link.ts"
import type { Picking } from "./Picking.ts"
import type { Result } from "./Result.ts"
import type { Stage } from "./Stage.ts"

export interface Address {
  /** Notes what is looked at, a moment later. */
  readonly note: () => void
  /** Notes it now. */
  readonly write: () => void
  /** Goes where the address said when the page was opened, once its picture is there. */
  readonly restore: (result: Result) => void
  readonly clear: () => void
}

export interface AddressOptions {
  readonly stage: Stage
  readonly picking: () => Picking
  /** The picture that is shown. */
  readonly name: () => string | undefined
}

/** Milliseconds for which a view has to rest. */
const rest = 300

export const make = ({ name, picking, stage }: AddressOptions): Address => {
  let asked = Link.read()
  let timer: ReturnType<typeof setTimeout> | undefined
  const middle = () => {
    const { height, width } = byId("frame", HTMLDivElement).getBoundingClientRect()
    return { x: width / 2, y: height / 2 }
  }
  const write = () => {
    const shown = name()
    if (shown === undefined) return
    const { left, scale, top } = stage.view()
    const { x, y } = middle()
    const target = picking().picked()
    Link.write({
      name: shown,
      scale,
      x: (x - left) / scale,
      y: (y - top) / scale,
      className: target?.className,
      region: target?.region?.id
    })
  }
  return {
    note: () => {
      clearTimeout(timer)
      timer = setTimeout(write, rest)
    },
    write: () => {
      clearTimeout(timer)
      write()
    },
    restore: (result) => {
      if (asked === undefined || asked.name !== name()) return
      const { className, region, scale, x, y } = asked
      asked = undefined
      const at = middle()
      stage.show({ scale, left: at.x - x * scale, top: at.y - y * scale })
      if (className === undefined || result.classes.every((one) => one.name !== className)) return
      picking().pick({ className, region: result.regions.find(({ id }) => id === region) })
    },
    clear: () => {
      clearTimeout(timer)
      Link.write(undefined)
    }
  }
}
