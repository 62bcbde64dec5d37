/** The models of a server by name: requests name the one they want, or get the default. */
import { Effect } from "effect"
import * as ClassTable from "../../mask/ClassTable.ts"
import * as Palette from "../../mask/Palette.ts"
import * as Colors from "../../render/Colors.ts"
import type { Served } from "../Dialect.ts"
import { alias } from "../ModelName.ts"
import { notFound, type Refusal } from "../Refusal.ts"
import type { ModelInfo } from "./SegmentApi.ts"

/** One of them. */
export interface ServedModel {
  /** What requests call it. The default one may have to be asked. */
  readonly name: Effect.Effect<string>
  readonly isDefault: boolean
  /** `model` for one that runs here, `service` for one that runs elsewhere. */
  readonly kind: string
  readonly served: Served
}

/** At least one; the first is the default. */
export type Models = readonly [ServedModel, ...ReadonlyArray<ServedModel>]

/** One that a request asked for. */
export interface Asked {
  readonly name: string
  readonly served: Served
}

/** The model of this name, or 404 that says which there are; without a name the default, which is `segformer` too. */
export const find = Effect.fnUntraced(function* (
  models: Models,
  asked: string | undefined
): Effect.fn.Return<Asked, Refusal> {
  const names: Array<string> = []
  for (const { isDefault, name, served } of models) {
    const own = yield* name
    if (asked === undefined || asked === "" || asked === own) return { name: own, served }
    names.push(`"${own}"`)
    if (isDefault && asked === alias && models.length === 1) return { name: own, served }
  }
  return yield* notFound(`There is no model "${asked?.slice(0, 200)}" here, only ${names.join(", ")}`)
})

/** Classes with a colour each, as `#rrggbb`. */
const colored = (classes: ClassTable.ClassTable) =>
  Colors.paletteOf(classes).map(({ color, id, name }) => ({ id, name, color: Palette.toHex(color) }))

/** What callers are told of it. Of a service that cannot say now, the classes are left out. */
export const info = ({ isDefault, kind, name, served }: ServedModel): Effect.Effect<ModelInfo> =>
  Effect.map(
    Effect.all([name, Effect.orElseSucceed(served.describe, () => ({ classes: [] }))]),
    ([name, { classes }]) => ({ name, default: isDefault, kind, classes: colored(classes) })
  )
