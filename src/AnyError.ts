/** The schema of every error of a segmentation, apart from the names of each, so that who needs one needs not the other. */
import { Schema } from "effect"
import { DependencyMissing, ImageError } from "./image/ImageError.ts"
import { JobError } from "./jobs/JobError.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import { InferenceFailed, ModelNotLoadable } from "./ModelError.ts"
import { NoLabelMap } from "./NoLabelMap.ts"
import { PolicyError } from "./policy/PolicyError.ts"
import { ServiceError } from "./service/ServiceError.ts"

export const SegmentationError = Schema.Union([
  ...ImageError.members,
  ...ServiceError.members,
  ...PolicyError.members,
  DependencyMissing,
  ModelNotLoadable,
  InferenceFailed,
  MaskNotDecodable,
  NoLabelMap,
  ...JobError.members
])
