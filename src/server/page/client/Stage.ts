/**
 * The picture with what was found on it: the part that is looked at, at the pixels of the screen. It is zoomed and moved,
 * read under the pointer or by arrow keys, and split where two results are compared.
 */
import * as Detail from "./Detail.ts"
import * as Divider from "./Divider.ts"
import { byId } from "./Dom.ts"
import * as Gestures from "./Gestures.ts"
import type { Emphasis, Look } from "./Overlay.ts"
import * as Painter from "./Painter.ts"
import { type Reading, reading } from "./Reading.ts"
import type { Box, FoundClass, Region, Result } from "./Result.ts"
import * as View from "./View.ts"

export interface StageEvents {
  /** Under the pointer or at the cross hairs; `undefined` where it left the picture. */
  readonly onRead: (reading: Reading | undefined, by: "pointer" | "touch" | "keys") => void
  /** Clicked, or Enter or the space bar at the cross hairs. */
  readonly onPick: (reading: Reading) => void
  readonly onView: () => void
  /** A line drawn between two points of the picture, while a ruler is in the hand; `undefined` where it is gone. */
  readonly onMeasure: (from: View.Point | undefined, to: View.Point | undefined) => void
}

export interface Stage {
  /** A picture, or where the browser cannot show it, its size. The one before is freed. */
  readonly picture: (bitmap: ImageBitmap | undefined, file: Blob | undefined, size: View.Size) => void
  readonly result: (result: Result | undefined) => void
  readonly other: (other: Painter.Other) => void
  /** Beside one another instead of at a divider. */
  readonly sideBySide: (on: boolean) => void
  /** 0 to 1. */
  readonly opacity: (value: number) => void
  readonly looks: (look: (one: FoundClass) => Look) => void
  /** Pixels below this confidence, 0 to 255, are hatched. */
  readonly least: (confidence: number) => void
  readonly emphasis: (emphasis: Emphasis | undefined, regions: ReadonlyArray<Region>) => void
  readonly ruler: (on: boolean) => void
  /** What is looked at; while it flies, where it goes. */
  readonly view: () => View.View
  /** Where the divider stands on the picture, 0 to 1 of its width. */
  readonly divider: () => number
  readonly show: (view: View.View) => void
  readonly zoom: (how: "in" | "out" | "fit" | "pixels") => void
  /** Goes to a box of the picture, so that one sees the way. */
  readonly fly: (box: Box) => void
  /** A place of the picture in the frame. */
  readonly onScreen: (at: View.Point) => View.Point
  readonly clear: () => void
}

export const make = (events: StageEvents): Stage => {
  const frame = byId("frame", HTMLDivElement)
  const canvas = byId("canvas", HTMLCanvasElement)
  const board = byId("board", HTMLDivElement)
  const cross = byId("cross", HTMLDivElement)
  const painter = Painter.make(canvas)
  let left: Result | undefined
  let right: Painter.Other
  const at = { x: -1, y: -1 }
  let bitmap: ImageBitmap | undefined
  let size: View.Size = { width: 0, height: 0 }
  let room: View.Size = { width: 1, height: 1 }
  let view: View.View = { scale: 1, left: 0, top: 0 }
  let opacity = 0.6
  let look = ({ color }: FoundClass): Look => ({ color, opacity: 1 })
  let least = 0
  let emphasis: Emphasis | undefined
  let marked: ReadonlyArray<Region> = []
  let twin = false
  let measuring = false
  let line: { readonly from: View.Point; to: View.Point } | undefined
  let scheduled = 0
  let flight = 0
  /** Where a flight goes. */
  let goal: View.View | undefined

  const redraw = () => {
    if (scheduled === 0) scheduled = requestAnimationFrame(draw)
  }
  const divider = Divider.make(redraw)
  const detail = Detail.make(redraw)

  /** Two views of one picture need a frame each. */
  const isTwin = () => twin && right !== undefined
  const frameOf = (): View.Size => (isTwin() ? { width: room.width / 2, height: room.height } : room)
  const draw = () => {
    scheduled = 0
    if (size.width === 0) return
    Object.assign(board.style, {
      left: `${view.left}px`,
      top: `${view.top}px`,
      width: `${size.width * view.scale}px`,
      height: `${size.height * view.scale}px`
    })
    divider.stand(View.covered(view, size, room), room)
    painter.draw({
      bitmap,
      close: detail.shown(),
      size,
      room,
      view,
      left,
      right,
      divider: divider.place(),
      isTwin: isTwin(),
      opacity,
      look,
      least,
      emphasis,
      marked,
      line
    })
  }

  const isFit = () => view.scale <= View.fitScale(size, frameOf()) * 1.001

  const changed = () => {
    canvas.classList.toggle("large", !isFit())
    detail.see(view, frameOf(), Painter.ratio(room))
    redraw()
    events.onView()
  }

  const move = (next: View.View) => {
    cancelAnimationFrame(flight)
    goal = undefined
    view = View.clamp(next, size, frameOf())
    changed()
  }

  /** The frame is as high as the whole picture needs, and no higher than the window has room for. */
  const resize = () => {
    if (size.width === 0) return
    const whole = isFit() || view.scale === 0
    const most = Math.max(240, window.innerHeight - (window.innerWidth > 900 ? 210 : 320))
    const width = Math.max(1, frame.clientWidth)
    const scale = Math.min(width / size.width, most / size.height, Math.max(1, 640 / size.width))
    room = { width, height: Math.max(240, Math.round(size.height * scale)) }
    frame.style.height = `${room.height}px`
    move(whole ? View.fit(size, frameOf()) : view)
  }
  new ResizeObserver(resize).observe(frame)
  window.addEventListener("resize", resize)

  const read = (x: number, y: number, share: number): Reading | undefined => {
    if (x < 0 || y < 0 || x >= size.width || y >= size.height) return undefined
    const shown = right !== undefined && share >= divider.place() && !isTwin() ? right : left
    return typeof shown === "object" ? reading(shown, x, y, size, look) : undefined
  }

  const under = (event: MouseEvent): Reading | undefined => {
    const place = placeOf(event)
    const of = isTwin() && place.x >= room.width / 2 ? right : undefined
    const { x, y } = View.toPicture(view, wrapped(place))
    if (typeof of === "object" && x >= 0 && y >= 0 && x < size.width && y < size.height) {
      return reading(of, Math.floor(x), Math.floor(y), size, look)
    }
    const seen = View.covered(view, size, frameOf())
    return read(Math.floor(x), Math.floor(y), (place.x - seen.x) / seen.width)
  }
  const placeOf = ({ clientX, clientY }: MouseEvent): View.Point => {
    const box = canvas.getBoundingClientRect()
    return { x: clientX - box.left, y: clientY - box.top }
  }
  /** In the left half, where there are two. */
  const wrapped = ({ x, y }: View.Point): View.Point => ({
    x: isTwin() && x >= room.width / 2 ? x - room.width / 2 : x,
    y
  })

  Gestures.listen(canvas, {
    isLarge: () => !isFit(),
    pan: (dx, dy) => move({ ...view, left: view.left + dx, top: view.top + dy }),
    zoom: (at, factor) => {
      if (size.width === 0) return false
      const next = View.zoomAt(view, wrapped(at), view.scale * factor, size, frameOf())
      const isChanged = Math.abs(next.scale - view.scale) > 1e-9
      if (isChanged) move(next)
      return isChanged
    },
    tap: (event) => {
      const reading = under(event)
      if (reading === undefined) return
      // A finger covers what it points at: it reads, and a button picks.
      if (event.pointerType !== "touch") events.onPick(reading)
      events.onRead(reading, event.pointerType === "touch" ? "touch" : "pointer")
    },
    hover: (event) => {
      if (event?.pointerType === "touch") return
      events.onRead(event && under(event), "pointer")
    },
    grab: (event) => {
      if (!measuring) return false
      const from = View.toPicture(view, wrapped(placeOf(event)))
      line = { from, to: from }
      return true
    },
    drag: (event) => {
      if (line === undefined) return
      line.to = View.toPicture(view, wrapped(placeOf(event)))
      events.onMeasure(line.from, line.to)
      redraw()
    },
    drop: () => undefined
  })

  const showCross = (shown: boolean) => {
    cross.hidden = !shown
    cross.style.left = `${((at.x + 0.5) / size.width) * 100}%`
    cross.style.top = `${((at.y + 0.5) / size.height) * 100}%`
  }
  const readCross = () => {
    const seen = View.covered(view, size, frameOf())
    const { x } = View.toScreen(view, { x: at.x + 0.5, y: at.y })
    events.onRead(read(at.x, at.y, (x - seen.x) / seen.width), "keys")
  }
  /** Keeps the cross hairs in sight. */
  const follow = () => {
    const { x, y } = View.toScreen(view, { x: at.x + 0.5, y: at.y + 0.5 })
    const { height, width } = frameOf()
    if (x < 16 || y < 16 || x > width - 16 || y > height - 16) {
      move(View.centered(at, view.scale, size, frameOf()))
    }
  }

  canvas.addEventListener("focus", () => {
    if (left === undefined || !canvas.matches(":focus-visible")) return
    if (at.x < 0) Object.assign(at, { x: Math.floor(size.width / 2), y: Math.floor(size.height / 2) })
    showCross(true)
    readCross()
  })
  canvas.addEventListener("blur", () => {
    showCross(false)
    events.onRead(undefined, "keys")
  })
  const zoomBy = (factor: number) => {
    const frame = frameOf()
    const middle =
      cross.hidden || at.x < 0
        ? { x: frame.width / 2, y: frame.height / 2 }
        : View.toScreen(view, { x: at.x + 0.5, y: at.y + 0.5 })
    move(View.zoomAt(view, middle, view.scale * factor, size, frame))
  }
  canvas.addEventListener("keydown", (event) => {
    if (left === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") {
      const seen = View.covered(view, size, frameOf())
      const { x } = View.toScreen(view, { x: at.x + 0.5, y: at.y })
      const reading = read(at.x, at.y, (x - seen.x) / seen.width)
      if (reading !== undefined) events.onPick(reading)
      event.preventDefault()
      return
    }
    const how = zooms[event.key]
    if (how !== undefined) {
      event.preventDefault()
      zoom(how)
      return
    }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    // A fiftieth of what is seen; a pixel with Shift.
    const frame = frameOf()
    const span = Math.min(Math.max(size.width, size.height), Math.max(frame.width, frame.height) / view.scale)
    const far = event.shiftKey ? 1 : Math.max(1, Math.round(span / 50))
    at.x = Math.max(0, Math.min(size.width - 1, at.x + step[0] * far))
    at.y = Math.max(0, Math.min(size.height - 1, at.y + step[1] * far))
    follow()
    showCross(true)
    readCross()
  })

  const zoom: Stage["zoom"] = (how) => {
    if (size.width === 0) return
    if (how === "in" || how === "out") return zoomBy(how === "in" ? 1.5 : 1 / 1.5)
    if (how === "fit") return move(View.fit(size, frameOf()))
    const { height, width } = frameOf()
    const middle = { x: width / 2, y: height / 2 }
    move(View.zoomAt(view, middle, 1 / devicePixelRatio, size, frameOf()))
  }

  const fly = (box: Box) => {
    if (size.width === 0) return
    const from = view
    const to = View.around(box, size, frameOf())
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return move(to)
    const began = performance.now()
    const step = (now: number) => {
      const part = Math.min(1, Math.max(0, (now - began) / 350))
      view = View.between(from, to, 1 - (1 - part) ** 3)
      if (part < 1) {
        redraw()
        flight = requestAnimationFrame(step)
      } else move(to)
    }
    cancelAnimationFrame(flight)
    goal = to
    flight = requestAnimationFrame(step)
  }

  return {
    picture: (next, file, whole) => {
      if (bitmap !== next) bitmap?.close()
      bitmap = next
      const isOther = size.width !== whole.width || size.height !== whole.height
      size = whole
      detail.picture(next && file, whole, next ?? whole)
      if (isOther) Object.assign(at, { x: -1, y: -1 })
      line = undefined
      view = { scale: 0, left: 0, top: 0 }
      resize()
    },
    result: (result) => {
      left = result
      redraw()
    },
    other: (other) => {
      if ((right === undefined) !== (other === undefined)) divider.move(0.5)
      right = other
      divider.show(other !== undefined && !twin)
      resize()
    },
    sideBySide: (on) => {
      twin = on
      divider.show(right !== undefined && !twin)
      resize()
    },
    opacity: (value) => {
      opacity = value
      redraw()
    },
    looks: (next) => {
      look = next
      redraw()
    },
    least: (confidence) => {
      least = confidence
      redraw()
    },
    emphasis: (next, regions) => {
      emphasis = next
      marked = regions
      redraw()
    },
    ruler: (on) => {
      measuring = on
      canvas.classList.toggle("measuring", on)
      if (!on) {
        line = undefined
        events.onMeasure(undefined, undefined)
        redraw()
      }
    },
    view: () => goal ?? view,
    divider: () => {
      const seen = View.covered(view, size, room)
      return View.toPicture(view, { x: seen.x + seen.width * divider.place(), y: 0 }).x / size.width
    },
    show: move,
    zoom,
    fly,
    onScreen: (place) => View.toScreen(view, place),
    clear: () => {
      cancelAnimationFrame(flight)
      bitmap?.close()
      bitmap = undefined
      detail.picture(undefined, { width: 0, height: 0 }, { width: 0, height: 0 })
      left = right = emphasis = line = undefined
      marked = []
      divider.show(false)
      size = { width: 0, height: 0 }
      painter.clear()
    }
  }
}

const zooms: Readonly<Record<string, "in" | "out" | "fit" | "pixels">> = {
  "+": "in",
  "=": "in",
  "-": "out",
  _: "out",
  "0": "fit",
  "1": "pixels"
}

const steps: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1]
}
