/** Whether a package lies where this one finds it: to say what would run a model where its usual runtime is missing. */
export const isInstalled = (name: string): boolean => {
  try {
    return import.meta.resolve(name) !== ""
  } catch {
    return false
  }
}
