/** Numbers as people read them. */

const whole = new Intl.NumberFormat("en")

/** `12,345`. */
export const count = (value: number): string => whole.format(value)

/** `1 class`, `12 classes`. */
export const counted = (value: number, one: string, many: string): string =>
  `${count(value)} ${value === 1 ? one : many}`

/** A share of 1 as `4.2 %`; what is there never reads as nothing, nor what is not all as all. */
export const percent = (share: number): string => {
  if (share === 0 || share === 1) return `${share * 100} %`
  if (share < 0.001) return "< 0.1 %"
  if (share > 0.999) return "> 99.9 %"
  return `${(share * 100).toFixed(1)} %`
}

/** A confidence of 0 to 1 as `97 %`; what is not certain never reads so. */
export const confidence = (value: number | null | undefined): string =>
  value === null || value === undefined
    ? "–"
    : value < 1 && value >= 0.995
      ? "> 99 %"
      : `${Math.round(value * 100)} %`

/** `0.31 s`. */
export const seconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} s`

/** `4.2 MB`. */
export const bytes = (value: number): string =>
  value < 1e6 ? `${Math.max(1, Math.round(value / 1e3))} kB` : `${(value / 1e6).toFixed(1)} MB`

/** What was thrown, in words. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** Every sentence of the page ends as one, also where a server's does not. */
export const sentence = (text: string): string =>
  /[.!?…]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`
