/**
 * The picture with what was found on it: drawn at the size it has on the screen, read under the pointer or by arrow
 * keys, and split by a divider where two results are compared.
 */
import * as Divider from "./Divider.ts"
import { byId } from "./Dom.ts"
import { colors, type Emphasis, paint } from "./Overlay.ts"
import type { Plane, Result } from "./Result.ts"

/** What a pixel is. Coordinates are the image's, from its top left corner. */
export interface Reading {
  readonly x: number
  readonly y: number
  readonly className: string
  readonly color: string | undefined
  readonly confidence: number | undefined
  readonly model: string
}

export interface StageEvents {
  /** Under the pointer or at the cross hairs; `undefined` where it left the picture. */
  readonly onRead: (reading: Reading | undefined, by: "pointer" | "keys") => void
  /** Clicked, tapped, or Enter or the space bar at the cross hairs. */
  readonly onPick: (reading: Reading) => void
}

/** What is on the right of the divider: a second result, or the picture alone. */
export type Other = Result | "picture" | undefined

export interface Stage {
  /** A picture, or where the browser cannot show it, its size. The one before is freed. */
  readonly picture: (bitmap: ImageBitmap | undefined, width: number, height: number) => void
  readonly result: (result: Result | undefined) => void
  readonly other: (other: Other) => void
  /** 0 to 1. */
  readonly opacity: (value: number) => void
  readonly emphasis: (emphasis: Emphasis | undefined) => void
  readonly clear: () => void
}

interface Layer {
  readonly canvas: HTMLCanvasElement
  shown: Other
}

export const make = (events: StageEvents): Stage => {
  const frame = byId("frame", HTMLDivElement)
  const canvas = byId("canvas", HTMLCanvasElement)
  const board = byId("board", HTMLDivElement)
  const cross = byId("cross", HTMLDivElement)
  const context = canvas.getContext("2d", { alpha: false })
  const left: Layer = { canvas: document.createElement("canvas"), shown: undefined }
  const right: Layer = { canvas: document.createElement("canvas"), shown: undefined }
  const at = { x: -1, y: -1 }
  let bitmap: ImageBitmap | undefined
  let size = { width: 0, height: 0 }
  let opacity = 0.6
  let emphasis: Emphasis | undefined
  let scheduled = 0
  /** Whether the layers are older than what they show. */
  let stale = false

  const redraw = (repaint: boolean) => {
    stale ||= repaint
    if (scheduled === 0) scheduled = requestAnimationFrame(draw)
  }

  const divider = Divider.make(() => redraw(false))

  const draw = () => {
    scheduled = 0
    if (context === null || size.width === 0) return
    const { height, width } = canvas
    if (stale) for (const layer of [left, right]) repaint(layer)
    stale = false
    context.fillStyle = getComputedStyle(canvas).backgroundColor
    context.fillRect(0, 0, width, height)
    context.imageSmoothingQuality = "high"
    // Enlarged pixels are shown as such: they are what the model saw.
    context.imageSmoothingEnabled = width < size.width * 3
    if (bitmap !== undefined) context.drawImage(bitmap, 0, 0, width, height)
    const edge = right.shown === undefined ? width : Math.round(width * divider.place())
    part(left, 0, edge)
    part(right, edge, width)
  }

  const part = ({ canvas: layer, shown }: Layer, from: number, to: number) => {
    if (context === null || typeof shown !== "object" || to <= from) return
    context.drawImage(layer, from, 0, to - from, layer.height, from, 0, to - from, layer.height)
  }

  const repaint = (layer: Layer) => {
    const { shown } = layer
    if (typeof shown !== "object") {
      layer.canvas.width = 0
      return
    }
    const { height, width } = canvas
    layer.canvas.width = width
    layer.canvas.height = height
    const image = new ImageData(width, height)
    const pixels = new Uint32Array(image.data.buffer)
    const table = colors(shown.classes, opacity, emphasis)
    paint({ pixels, width, height, top: 0 }, shown.labels, table, emphasis?.box)
    layer.canvas.getContext("2d")?.putImageData(image, 0, 0)
  }

  /** As large as the frame's width and the window's height allow; a small picture is enlarged, to a point. */
  const fit = () => {
    const { height, width } = size
    if (width === 0) return
    const room = Math.max(240, window.innerHeight - (window.innerWidth > 900 ? 190 : 300))
    const scale = Math.min(frame.clientWidth / width, room / height, Math.max(1, 640 / width))
    const shown = {
      width: Math.max(1, Math.floor(width * scale)),
      height: Math.max(1, Math.floor(height * scale))
    }
    board.style.width = `${shown.width}px`
    board.style.height = `${shown.height}px`
    const density = Math.min(2, window.devicePixelRatio)
    canvas.width = Math.round(shown.width * density)
    canvas.height = Math.round(shown.height * density)
    redraw(true)
  }
  new ResizeObserver(fit).observe(frame)
  window.addEventListener("resize", fit)

  const read = (x: number, y: number): Reading | undefined => {
    if (x < 0 || y < 0 || x >= size.width || y >= size.height) return undefined
    const beyond = right.shown !== undefined && (x + 0.5) / size.width > divider.place()
    const shown = beyond ? right.shown : left.shown
    if (typeof shown !== "object") return undefined
    const valueIn = (plane: Plane) => valueAt(plane, (x + 0.5) / size.width, (y + 0.5) / size.height)
    const id = valueIn(shown.labels)
    const found = shown.classes.find((one) => one.id === id)
    const certainty = shown.confidence && valueIn(shown.confidence)
    return {
      x,
      y,
      className: found?.name ?? "no class",
      color: found?.color,
      // The highest byte stands for all from 99.8 % on.
      confidence: certainty === undefined ? undefined : Math.min(certainty, 254.5) / 255,
      model: shown.model
    }
  }

  const under = ({ clientX, clientY }: MouseEvent): Reading | undefined => {
    const { height, left: x0, top: y0, width } = canvas.getBoundingClientRect()
    return read(
      Math.floor(((clientX - x0) / width) * size.width),
      Math.floor(((clientY - y0) / height) * size.height)
    )
  }

  const showCross = (shown: boolean) => {
    cross.hidden = !shown
    cross.style.left = `${((at.x + 0.5) / size.width) * 100}%`
    cross.style.top = `${((at.y + 0.5) / size.height) * 100}%`
  }

  canvas.addEventListener("pointermove", (event) => events.onRead(under(event), "pointer"))
  canvas.addEventListener("pointerleave", () => events.onRead(undefined, "pointer"))
  canvas.addEventListener("click", (event) => {
    const reading = under(event)
    if (reading === undefined) return
    events.onPick(reading)
    events.onRead(reading, "pointer")
  })
  canvas.addEventListener("focus", () => {
    if (left.shown === undefined || !canvas.matches(":focus-visible")) return
    if (at.x < 0) Object.assign(at, { x: Math.floor(size.width / 2), y: Math.floor(size.height / 2) })
    showCross(true)
    events.onRead(read(at.x, at.y), "keys")
  })
  canvas.addEventListener("blur", () => {
    showCross(false)
    events.onRead(undefined, "keys")
  })
  canvas.addEventListener("keydown", (event) => {
    if (left.shown === undefined) return
    if (event.key === "Enter" || event.key === " ") {
      const reading = read(at.x, at.y)
      if (reading !== undefined) events.onPick(reading)
      event.preventDefault()
      return
    }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    // A fiftieth of the picture; a pixel with Shift.
    const far = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(size.width, size.height) / 50))
    at.x = Math.max(0, Math.min(size.width - 1, at.x + step[0] * far))
    at.y = Math.max(0, Math.min(size.height - 1, at.y + step[1] * far))
    showCross(true)
    events.onRead(read(at.x, at.y), "keys")
  })

  return {
    picture: (next, width, height) => {
      if (bitmap !== next) bitmap?.close()
      bitmap = next
      if (size.width !== width || size.height !== height) {
        size = { width, height }
        Object.assign(at, { x: -1, y: -1 })
      }
      fit()
    },
    result: (result) => {
      left.shown = result
      redraw(true)
    },
    other: (other) => {
      if ((right.shown === undefined) !== (other === undefined)) divider.move(0.5)
      right.shown = other
      divider.show(other !== undefined)
      redraw(true)
    },
    opacity: (value) => {
      opacity = value
      redraw(true)
    },
    emphasis: (next) => {
      if (next === emphasis) return
      emphasis = next
      redraw(true)
    },
    clear: () => {
      bitmap?.close()
      bitmap = undefined
      left.shown = undefined
      right.shown = undefined
      emphasis = undefined
      divider.show(false)
      size = { width: 0, height: 0 }
      for (const one of [canvas, left.canvas, right.canvas]) one.width = 0
    }
  }
}

const steps: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1]
}

/** The value at a place given as parts of width and height: maps need not have the image's size. */
const valueAt = ({ data, height, width }: Plane, x: number, y: number): number =>
  data[Math.floor(y * height) * width + Math.floor(x * width)] ?? 0
