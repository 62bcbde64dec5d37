/** Lengths and areas in pixels, and in millimetres where a person says how many pixels one has. */
import { byId } from "./Dom.ts"
import type { Measures } from "./RegionMask.ts"
import { count } from "./Text.ts"

const key = "segformer.pixels-per-mm"

const field = () => byId("scale", HTMLInputElement)

/** Pixels of a millimetre; `undefined` where nobody said. */
const scale = (): number | undefined => {
  const value = Number(field().value)
  return field().value.trim() !== "" && Number.isFinite(value) && value > 0 ? value : undefined
}

const digits = (value: number): string =>
  value >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(4)))

export const length = (pixels: number): string => {
  const mm = scale()
  return `${digits(pixels)} px${mm === undefined ? "" : ` = ${digits(pixels / mm)} mm`}`
}

const area = (pixels: number): string => {
  const mm = scale()
  return `${count(Math.round(pixels))} px²${mm === undefined ? "" : ` = ${digits(pixels / mm ** 2)} mm²`}`
}

/** A region in a few lines, each a name and a value. */
export const lines = (of: Measures): ReadonlyArray<readonly [name: string, value: string]> => [
  ["Area", area(of.area)],
  ["Long axis", `${length(of.long)}, at ${Math.round(of.angle)}°`],
  ["Short axis", length(of.short)],
  ["Middle", `${of.center.x.toFixed(1)}, ${of.center.y.toFixed(1)}`]
]

/** To be called once; `onChange` whenever another scale holds. */
export const listen = (onChange: () => void): void => {
  const input = field()
  try {
    input.value = localStorage.getItem(key) ?? ""
  } catch {
    // A browser that keeps nothing.
  }
  input.addEventListener("input", () => {
    try {
      localStorage.setItem(key, input.value)
    } catch {
      // As above.
    }
    onChange()
  })
}
