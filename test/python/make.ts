/** `node -C effect-segformer-source test/python/make.ts NAME…`: makes the environments of these lists, so that no suite's time holds it. */
import * as Python from "../support/Python.ts"

for (const name of process.argv.slice(2)) {
  const { executable } = Python.environment(name)
  console.log(`${name}: ${executable}`)
}
