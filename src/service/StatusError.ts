/** Which error a status is. Apart from the errors, since only an answer that failed needs it. */
import type { Duration } from "effect"
import {
  ModelLoading,
  NotFound,
  RateLimited,
  RedirectRefused,
  RequestRejected,
  type ServiceError,
  ServiceFailed,
  ServiceUnavailable,
  Unauthorized
} from "./ServiceError.ts"
import { excerpt, ResponseNotDecodable } from "./WireError.ts"

/** Where an answer leads that says no address, and what to do about it. */
const elsewhere = (status: number): readonly [location: string, why: string] =>
  status === 305 || status === 306
    ? ["a proxy", "nobody follows such an answer. Set the proxy by `HTTPS_PROXY`, or as `proxy`"]
    : status === 300
      ? ["one of several places", "it does not say which. Set the base URL to the one that is meant"]
      : [
          "a place that it does not name",
          "it has no `Location`. Check the base URL: a gateway before the service may answer so where nobody is signed in"
        ]

/** The error of a status that is no success. */
export const fromStatus = (options: {
  readonly service: string
  readonly status: number
  readonly detail: string
  readonly code?: string | undefined
  readonly requestId?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  /** The service says that its model is not loaded. */
  readonly loading?: boolean | undefined
  /** A file that it named was asked for. */
  readonly file?: boolean | undefined
}): ServiceError => {
  const { code, file, loading, retryAfter, ...rest } = options
  const fields = {
    ...rest,
    detail: excerpt(rest.detail),
    ...(code === undefined ? {} : { code: excerpt(code) })
  }
  const timed = { ...fields, retryAfter }
  const { status } = options
  if (loading === true) return new ModelLoading(timed)
  if (status === 429) return new RateLimited(timed)
  if (status === 401 || status === 403) return new Unauthorized(fields)
  if (status === 404 || status === 410) return new NotFound(file === true ? { ...fields, file } : fields)
  if (status >= 400 && status < 500) return new RequestRejected(timed)
  if (status >= 502 && status <= 504) return new ServiceUnavailable(timed)
  if (status >= 500 && status < 600) return new ServiceFailed(timed)
  const { requestId, service } = options
  if (status >= 300 && status < 400 && status !== 304) {
    const [location, why] = elsewhere(status)
    const detail = fields.detail === "" ? why : `${why}. It says: ${fields.detail}`
    return new RedirectRefused({ service, requestId, status, location, detail: excerpt(detail) })
  }
  const detail =
    status === 304
      ? "status 304 says that nothing has changed since the last answer, which was not asked: a cache before the service mixes its answers up"
      : `status ${status} is none that this protocol knows`
  return new ResponseNotDecodable({ service, requestId, status, path: "", detail, excerpt: fields.detail })
}
