/** Keeps the page's address as what is looked at, and goes where it says. Each picture that is looked at is an entry of the history. */
import { byId } from "./Dom.ts"
import type { Picture } from "./Gallery.ts"
import * as Link from "./Link.ts"
import type { Picking } from "./Picking.ts"
import type { Result } from "./Result.ts"
import type { Stage } from "./Stage.ts"

export interface Address {
  /** Notes what is looked at, a moment later. */
  readonly note: () => void
  /** Notes it now. */
  readonly write: () => void
  /** Opens the picture of the address, if it is there. */
  readonly open: () => boolean
  /** Makes the address that of the picture which is shown now, and goes where it said. */
  readonly restore: (result: Result) => void
  readonly clear: () => void
}

export interface AddressOptions {
  readonly stage: Stage
  readonly picking: () => Picking
  readonly pictures: () => ReadonlyArray<Picture>
  readonly shown: () => Picture | undefined
  readonly onOpen: (picture: Picture) => void
  /** An entry has no picture, or one that is gone. */
  readonly onStart: () => void
}

const key = "segformer.shown"

/** The picture that this tab shows: a busy browser may load the page again without the state of its history. */
const remember = (id: string | undefined): void => {
  try {
    if (id === undefined) sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, id)
  } catch {
    // A browser that keeps nothing keeps no pictures either.
  }
}

/** What was shown before the page was loaded again. */
const remembered = (): string | null => {
  try {
    const [entry] = performance.getEntriesByType("navigation")
    const isAgain = entry instanceof PerformanceNavigationTiming && entry.type === "reload"
    return isAgain ? sessionStorage.getItem(key) : null
  } catch {
    return null
  }
}

/** Milliseconds for which a view has to rest. */
const rest = 300

export const make = ({ onOpen, onStart, picking, pictures, shown, stage }: AddressOptions): Address => {
  let asked = Link.read()
  let timer: ReturnType<typeof setTimeout> | undefined
  const middle = () => {
    const { height, width } = byId("frame", HTMLDivElement).getBoundingClientRect()
    return { x: width / 2, y: height / 2 }
  }
  const write = () => {
    const name = shown()?.file.name
    if (name === undefined) return
    const { left, scale, top } = stage.view()
    const { x, y } = middle()
    const target = picking().picked()
    Link.write({
      name,
      scale,
      x: (x - left) / scale,
      y: (y - top) / scale,
      className: target?.className,
      region: target?.region?.id
    })
  }
  const open = (known: unknown) => {
    // Several may have one name: an entry has the picture's id, a link that was passed on has none.
    const found = pictures().findLast(({ file, id }) =>
      known === null ? file.name === asked?.name : id === known
    )
    if (found === undefined) return false
    history.replaceState(found.id, "")
    onOpen(found)
    return true
  }
  addEventListener("popstate", () => {
    clearTimeout(timer)
    asked = Link.read()
    // Other places of the page are no pictures.
    if (!open(history.state) && (history.state !== null || location.hash === "")) onStart()
  })
  return {
    note: () => {
      clearTimeout(timer)
      timer = setTimeout(write, rest)
    },
    write: () => {
      clearTimeout(timer)
      write()
    },
    open: () => open(history.state ?? remembered()),
    restore: (result) => {
      const picture = shown()
      remember(picture?.id)
      if (picture !== undefined && history.state !== picture.id) history.pushState(picture.id, "")
      if (asked === undefined || asked.name !== picture?.file.name) return
      const { className, region, scale, x, y } = asked
      asked = undefined
      const at = middle()
      stage.show({ scale, left: at.x - x * scale, top: at.y - y * scale })
      if (className === undefined || result.classes.every((one) => one.name !== className)) return
      picking().pick({ className, region: result.regions.find(({ id }) => id === region) })
    },
    clear: () => {
      clearTimeout(timer)
      remember(undefined)
      Link.write(undefined)
    }
  }
}
