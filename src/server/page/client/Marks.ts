/** Rings around regions that are too small to be seen at the scale of the screen. */
import { toScreen, type View } from "./View.ts"
import type { Region } from "./Result.ts"

/** Below so many CSS pixels a region is easily missed. */
const visible = 8
/** Where there are more of them, rings would hide the picture. */
const most = 60

export interface Mark {
  /** The middle, in the frame. */
  readonly x: number
  readonly y: number
  readonly radius: number
  readonly color: string | undefined
}

/** The marks of regions; of one that is picked, however many there are. */
export const of = (
  regions: ReadonlyArray<Region>,
  picked: ReadonlyArray<Region>,
  view: View,
  color: (region: Region) => string | undefined
): ReadonlyArray<Mark> => {
  const small = (region: Region) => Math.max(region.box.width, region.box.height) * view.scale < visible
  const all = regions.filter(small)
  const shown = picked.length > 0 ? picked.filter(small).slice(0, most) : all.length <= most ? all : []
  return shown.map((region) => {
    const { height, width, x, y } = region.box
    return {
      ...toScreen(view, { x: x + width / 2, y: y + height / 2 }),
      radius: Math.max(7, (Math.hypot(width, height) / 2) * view.scale + 4),
      color: color(region)
    }
  })
}

/** Dark, coloured, dark: it stands out of anything. */
export const draw = (context: CanvasRenderingContext2D, marks: ReadonlyArray<Mark>, ratio: number): void => {
  for (const [style, width] of [
    ["rgb(0 0 0 / 75%)", 5],
    [undefined, 2.5]
  ] as const) {
    for (const { color, radius, x, y } of marks) {
      context.beginPath()
      context.arc(x * ratio, y * ratio, radius * ratio, 0, Math.PI * 2)
      context.lineWidth = width * ratio
      context.strokeStyle = style ?? color ?? "#ffffff"
      context.stroke()
    }
  }
}
