/** The marketplace service: products and orders. Port 8005, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { get, post, put, delete as remove } from "effect/http-api/HttpApiEndpoint"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, maybe, open, Page, removed } from "./Schemas.ts"

const productFields = {
  description: maybe(Schema.String),
  /** As ISO 4217 has it, such as `EUR`. */
  currency: maybe(Schema.String),
  vendor_id: maybe(Id)
}

/** What can be bought. */
export class Product extends Schema.Opaque<Product>()(
  open({
    id: Id,
    name: Schema.String,
    /** Of one, in units of `currency`. */
    price: maybe(Schema.Finite),
    ...productFields
  })
) {}

export const NewProduct = open({ name: Schema.NonEmptyString, price: Schema.Finite, ...productFields })

/** What to change. What is left out stays. */
export const ProductChanges = open({
  name: Schema.optionalKey(Schema.NonEmptyString),
  price: Schema.optionalKey(Schema.Finite),
  ...productFields
})

/** What somebody buys. */
export class Order extends Schema.Opaque<Order>()(
  open({
    id: Id,
    product_id: maybe(Id),
    quantity: maybe(Schema.Int),
    project_id: maybe(Id),
    /** In the service's own words, such as `shipped`. */
    status: maybe(Schema.String)
  })
) {}

export const NewOrder = open({ product_id: Id, quantity: Schema.Int, project_id: maybe(Id) })

const { changed, found, gone, guarded, made } = errorsOf("marketplace")
const product = { product_id: Id }
const order = { order_id: Id }

export class MarketplaceApi extends HttpApi.make("marketplace").add(
  HttpApiGroup.make("marketplace", { topLevel: true }).add(
    get("listProducts", "/products", {
      query: { ...Page, query: Schema.optionalKey(Schema.String) },
      success: Schema.Array(Product),
      error: guarded
    }),
    post("createProduct", "/products", { payload: NewProduct, success: created(Product), error: made }),
    get("getProduct", "/products/:product_id", { params: product, success: Product, error: found }),
    put("updateProduct", "/products/:product_id", {
      params: product,
      payload: ProductChanges,
      success: Product,
      error: changed
    }),
    remove("deleteProduct", "/products/:product_id", { params: product, success: removed, error: gone }),
    post("createOrder", "/orders", { payload: NewOrder, success: created(Order), error: changed }),
    get("getOrder", "/orders/:order_id", { params: order, success: Order, error: found }),
    remove("cancelOrder", "/orders/:order_id", { params: order, success: removed, error: gone })
  )
) {}

/** Products and orders. `MARKETPLACE_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Marketplace extends ServiceClient.Service<Marketplace>()(
  "effect-segformer/companions/Marketplace",
  MarketplaceApi,
  { service: "marketplace" }
) {}
