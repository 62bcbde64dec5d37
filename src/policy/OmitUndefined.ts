/** Options without those that are not said, so that they do not take back what is said elsewhere. */
export const omitUndefined = <A extends object>(options: A): A => {
  const known = { ...options }
  for (const key of Object.keys(known)) {
    if (Reflect.get(known, key) === undefined) Reflect.deleteProperty(known, key)
  }
  return known
}
