/** Sets that are joined one by one (union-find, with path halving): each element names another of its set, its root names itself. */
export const find = (parents: Int32Array, start: number): number => {
  let i = start
  while (parents[i] !== i) {
    parents[i] = parents[parents[i]!]!
    i = parents[i]!
  }
  return i
}

/** Joins the sets of two elements, whose earlier root stays one; whether they were two. */
export const union = (parents: Int32Array, a: number, b: number): boolean => {
  const first = find(parents, a)
  const second = find(parents, b)
  if (first < second) parents[second] = first
  else if (second < first) parents[first] = second
  return first !== second
}
