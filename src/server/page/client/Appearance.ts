/** How classes are shown: colour, opacity, hidden or not; by name, so that it holds for every picture and model, and kept. */
import type { Look } from "./Overlay.ts"
import type { FoundClass } from "./Result.ts"

export interface Own {
  readonly color?: string | undefined
  /** 0 to 1. */
  readonly opacity?: number | undefined
  readonly isHidden?: boolean | undefined
}

const key = "segformer.classes"

const stored = (): Map<string, Own> => {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "{}")
    return new Map(Object.entries(typeof kept === "object" && kept !== null ? kept : {}).map(checked))
  } catch {
    return new Map()
  }
}

const checked = ([name, value]: readonly [string, unknown]): readonly [string, Own] => {
  const get = (field: string): unknown =>
    typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined
  const [color, opacity] = [get("color"), get("opacity")]
  return [
    name,
    {
      color: typeof color === "string" && /^#[\da-f]{6}$/.test(color) ? color : undefined,
      opacity: typeof opacity === "number" && opacity >= 0 && opacity <= 1 ? opacity : undefined,
      isHidden: get("isHidden") === true
    }
  ]
}

const all = stored()

export const of = (name: string): Own => all.get(name) ?? {}

export const look = ({ color, name }: FoundClass): Look => {
  const own = of(name)
  return { color: own.color ?? color, opacity: own.isHidden === true ? 0 : (own.opacity ?? 1) }
}

/** The colour that a class is shown in. */
export const colorOf = (one: FoundClass): string | undefined => of(one.name).color ?? one.color

export const change = (name: string, own: Own): void => {
  all.set(name, { ...of(name), ...own })
  try {
    localStorage.setItem(key, JSON.stringify(Object.fromEntries(all)))
  } catch {
    // A browser that keeps nothing shows it all the same, until the page is left.
  }
}

/** The colours of classes as they are shown, as a file. */
export const palette = (classes: ReadonlyArray<FoundClass>): Blob =>
  new Blob([
    JSON.stringify(
      { classes: classes.map(({ id, name, paint }) => ({ id, name, color: of(name).color ?? paint })) },
      null,
      2
    )
  ])
