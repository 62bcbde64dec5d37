/** What a program knows of a service by itself, and what there is to know of one that has an address. */
import type { Redacted } from "effect"
import type { PolicyOptions } from "../policy/Policy.ts"
import type { RequestInvalid, ServiceError } from "./ServiceError.ts"

/** What a program knows of a service by itself. The environment goes before it. */
export interface ServiceDefinition {
  /** What the names of its variables start with, instead of its own name: `PYTHON` for `PYTHON_SERVICE_URL`. */
  readonly prefix?: string | undefined
  /** What they may start with as well: `AUTH` for `AUTH_SERVICE_URL`. Two that disagree are an error that names both. */
  readonly aliases?: ReadonlyArray<string> | undefined
  /** Where only the host is given. The port of the protocol by default. */
  readonly port?: number | undefined
  /** `http` by default. */
  readonly protocol?: "http" | "https" | undefined
  /** Below which its paths are, such as `/api/v1`. A `_SERVICE_URL` is whole, and has its own. */
  readonly basePath?: string | undefined
  /** Its base URL where the environment names none and does not say `production` (`NODE_ENV`, `ENVIRONMENT`). */
  readonly development?: string | undefined
  /** Whether the program cannot do without it: then it is an error at the start that it has no address. */
  readonly isRequired?: boolean | undefined
  /** Where it says how it is. `/health` by default. */
  readonly healthPath?: string | undefined
  /** What that path is below: its base URL, which is the default, or the root of its host. */
  readonly healthAt?: "base" | "root" | undefined
  readonly policy?: PolicyOptions | undefined
  /**
   * Which failures are tried again, instead of those that say of themselves that it may help and that `policy.retry` wants
   * (`statuses`, `serverErrors`). How often and after how long stays the policy's; what must not be done twice is sent
   * again only where it was not taken.
   */
  readonly retryWhen?: RetryWhen | undefined
}

export type RetryWhen = (error: ServiceError | RequestInvalid) => boolean

/** A service that has an address. */
export interface ServiceEntry {
  readonly name: string
  /** Without a trailing slash. */
  readonly baseUrl: string
  /** Starts with a slash. */
  readonly healthPath: string
  /** What `healthPath` is below. */
  readonly healthAt: "base" | "root"
  readonly apiKey: Redacted.Redacted | undefined
  /** Nobody has said where it is: its address is that of development. */
  readonly isDevelopment: boolean
  /** What differs from the standard policy, the environment's word included. */
  readonly policy: PolicyOptions
  readonly retryWhen?: RetryWhen | undefined
}

/** A URL without the slash at its end. */
export const withoutSlash = (url: string): string => url.replace(/\/+$/, "")

/** A path with the slash at its start. */
export const withSlash = (path: string): string => `/${path.replace(/^\/+/, "")}`
