/** Wheel, drag, pinch and double click on a picture, as moves of its view. */
import type { Point } from "./View.ts"

export interface GestureEvents {
  /** Whether the picture may be dragged: it is larger than its frame. */
  readonly isLarge: () => boolean
  readonly pan: (dx: number, dy: number) => void
  /** By a factor, around a point of the frame. Says whether anything changed. */
  readonly zoom: (at: Point, factor: number) => boolean
  /** Pressed and let go at one place. */
  readonly tap: (event: PointerEvent) => void
  readonly hover: (event: PointerEvent | undefined) => void
  /** A press that is no drag of the view, such as a ruler's; `true` where it took it. */
  readonly grab: (event: PointerEvent) => boolean
  readonly drag: (event: PointerEvent) => void
  readonly drop: (event: PointerEvent) => void
}

/** How far a finger or the mouse may stray while it is still a tap, in CSS pixels. */
const stray = 5

export const listen = (frame: HTMLElement, events: GestureEvents): void => {
  const down = new Map<number, Point>()
  let start: Point | undefined
  let moved = false
  let grabbed = false
  const at = ({ clientX, clientY }: MouseEvent): Point => {
    const box = frame.getBoundingClientRect()
    return { x: clientX - box.left, y: clientY - box.top }
  }

  frame.addEventListener(
    "wheel",
    (event) => {
      // A wheel's line is some sixteen pixels, a page a screen.
      const unit = [1, 16, 400][event.deltaMode] ?? 1
      const step = Math.max(-120, Math.min(120, event.deltaY * unit))
      // Trackpads pinch in small steps with the control key held.
      const factor = Math.exp(-step / (event.ctrlKey ? 90 : 320))
      // Where nothing can get smaller any more, the page scrolls.
      if (events.zoom(at(event), factor) || event.ctrlKey) event.preventDefault()
    },
    { passive: false }
  )

  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    down.set(event.pointerId, at(event))
    frame.setPointerCapture(event.pointerId)
    if (down.size > 1) {
      moved = true
      return
    }
    start = at(event)
    moved = false
    grabbed = events.grab(event)
  })

  frame.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId)
    if (before === undefined) {
      events.hover(event)
      return
    }
    const now = at(event)
    if (grabbed) {
      events.drag(event)
      return
    }
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1]
      if (other !== undefined) {
        const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 }
        const was = Math.hypot(before.x - other.x, before.y - other.y)
        const is = Math.hypot(now.x - other.x, now.y - other.y)
        events.pan((now.x - before.x) / 2, (now.y - before.y) / 2)
        if (was > 0) events.zoom(middle, is / was)
      }
    } else if (down.size === 1) {
      if (start !== undefined && Math.hypot(now.x - start.x, now.y - start.y) > stray) moved = true
      if (moved && events.isLarge()) {
        frame.classList.add("dragged")
        events.pan(now.x - before.x, now.y - before.y)
        events.hover(undefined)
      }
    }
    down.set(event.pointerId, now)
  })

  const up = (event: PointerEvent, isTap: boolean) => {
    if (!down.delete(event.pointerId)) return
    if (down.size > 0) return
    frame.classList.remove("dragged")
    if (grabbed) events.drop(event)
    else if (isTap && !moved) events.tap(event)
    grabbed = false
  }
  frame.addEventListener("pointerup", (event) => up(event, true))
  frame.addEventListener("pointercancel", (event) => up(event, false))
  frame.addEventListener("pointerleave", () => {
    if (down.size === 0) events.hover(undefined)
  })
  frame.addEventListener("dblclick", (event) => {
    if (!events.zoom(at(event), 2)) events.zoom(at(event), 0)
  })
}
