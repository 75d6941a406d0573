export {
  SparseSession, type DeviceFeeds, type Feeds, type GpuTensor, type GpuTensorLike, type LayerPlan, type OutputLocation, type SessionOptions,
} from './runtime/session.ts';
export { Tensor, type DType, type Shape, type TensorLike } from './tensor.ts';
export { BurinError, type ErrorKind } from './expect.ts';
export type { Graph, Node, ValueInfo } from './graph/graph.ts';
export { evaluate } from './graph/evaluate.ts';
export { zoo, zooGraph } from './graph/zoo/index.ts';
export { readModel, writeModel } from './io/index.ts';
export {
  readMasks, readMasksFor, writeMasks, type MaskFile, type MaskFormat, type MasksFor, type ReadMasksOptions, type WriteMasksOptions,
} from './io/masks/index.ts';
export { readNpz, writeNpz } from './io/npz.ts';
export { readSafetensors, writeSafetensors, type Safetensors } from './io/safetensors.ts';
export { formats, pack, unpack, type Block, type Layout, type Matrix, type Packed } from './formats/index.ts';
export { convert, fromCoo, fromCsr, toCsr, transpose, type CooArrays, type CsrArrays, type Target } from './formats/convert.ts';
export type { Bounds, ProductWeight, WeightOptions } from './backends/product.ts';
export { createProducts, type Products } from './runtime/products.ts';
export * from './prune/index.ts';
export { inspect, workOf, type Inspection, type NetworkWork } from './measure/work.ts';
export { conventions, type Convention } from './measure/conventions.ts';
export { profileOf, type LayerProfile, type Profile, type ProfileOptions, type Share } from './measure/profile.ts';
export { bytesOf, type BytesOptions, type LayerBytes, type NetworkBytes, type StoredBytes } from './measure/bytes.ts';
export { measure, sweep } from './measure/speedup.ts';
export { gatherEvidence, gatherings, type GatherOptions, type GatheringName } from './measure/activations.ts';
export {
  pruneToBudget, type BudgetOptions, type BudgetReport, type Budgeted, type CostTable,
} from './measure/budget/index.ts';
