/** The line between two results, dragged or moved by keys as sliders are. */
import { byId } from "./Dom.ts"
import type { Box } from "./Result.ts"
import type { Size } from "./View.ts"

export interface Divider {
  /** 0 to 1, from the left. */
  readonly place: () => number
  readonly move: (place: number) => void
  /** The part of the frame that it divides. */
  readonly stand: (seen: Box, frame: Size) => void
  readonly show: (isShown: boolean) => void
}

/** `onMove` is called wherever it comes to stand. */
export const make = (onMove: () => void): Divider => {
  const divider = byId("divider", HTMLDivElement)
  const frame = byId("frame", HTMLDivElement)
  let seen: Box = { x: 0, y: 0, width: 1, height: 1 }
  let place = 0.5

  const move = (to: number) => {
    place = Math.max(0, Math.min(1, to))
    const share = Math.round(place * 100)
    divider.setAttribute("aria-valuenow", String(share))
    divider.setAttribute("aria-valuetext", `${share} % left, ${100 - share} % right`)
    onMove()
  }

  divider.addEventListener("pointerdown", (event) => {
    event.preventDefault()
    divider.setPointerCapture(event.pointerId)
    divider.focus({ preventScroll: true })
  })
  divider.addEventListener("pointermove", ({ clientX, pointerId }) => {
    if (!divider.hasPointerCapture(pointerId)) return
    move((clientX - frame.getBoundingClientRect().left - seen.x) / seen.width)
  })
  divider.addEventListener("keydown", (event) => {
    const to = keys[event.key]?.(place)
    if (to === undefined) return
    event.preventDefault()
    move(to)
  })

  return {
    place: () => place,
    move,
    stand: (part, { height }) => {
      seen = part
      Object.assign(divider.style, {
        left: `${part.x + part.width * place}px`,
        top: `${part.y}px`,
        bottom: `${height - part.y - part.height}px`
      })
    },
    show: (isShown) => {
      divider.hidden = !isShown
    }
  }
}

const keys: Readonly<Record<string, (place: number) => number>> = {
  ArrowLeft: (place) => place - 0.02,
  ArrowDown: (place) => place - 0.02,
  ArrowRight: (place) => place + 0.02,
  ArrowUp: (place) => place + 0.02,
  PageDown: (place) => place - 0.1,
  PageUp: (place) => place + 0.1,
  Home: () => 0,
  End: () => 1
}
