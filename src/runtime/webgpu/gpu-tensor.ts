import type { DType, Shape } from '../../tensor.ts';

/** A dense, row-major array that stays on the device: an output where it was asked for, or a feed. Shaped like ONNX Runtime's. */
export interface GpuTensorLike {
  /** Elements of 32 bits from its start; as a feed with usage COPY_SRC. */
  readonly gpuBuffer: GPUBuffer;
  readonly dims: Shape;
  readonly type: string;
}

/** An output that was left on the device; it belongs to the caller, who disposes of it. */
export interface GpuTensor extends GpuTensorLike {
  readonly location: 'gpu-buffer';
  /** Usage STORAGE, COPY_SRC and COPY_DST. */
  readonly gpuBuffer: GPUBuffer;
  readonly type: DType;
  dispose(): void;
  [Symbol.dispose](): void;
}

export function gpuTensor(type: DType, dims: Shape, gpuBuffer: GPUBuffer): GpuTensor {
  const dispose = (): void => gpuBuffer.destroy();
  return { location: 'gpu-buffer', type, dims: [...dims], gpuBuffer, dispose, [Symbol.dispose]: dispose };
}

export function isGpuTensor(value: unknown): value is GpuTensorLike {
  return typeof value === 'object' && value !== null && 'gpuBuffer' in value && value.gpuBuffer !== undefined;
}
