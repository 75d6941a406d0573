import { variants } from '../../../backends/webgpu/shaders.ts';
import { input, num } from '../../../graph/ops/op.ts';
import { convGeometry, poolGeometry, type Window } from '../../../graph/ops/window.ts';
import { clampOf } from '../../lower/conv.ts';
import { inOut, lone, outSize, type Lower, type Operation, type Place, type Query } from './lower.ts';

/** The fields of a job that say how a window moves over an image. */
export function windowJob(w: Window): Record<string, number> {
  return {
    height: w.in[0], width: w.in[1], out_height: w.out[0], out_width: w.out[1], kernel_height: w.kernel[0], kernel_width: w.kernel[1],
    stride_y: w.strides[0], stride_x: w.strides[1], dilation_y: w.dilations[0], dilation_x: w.dilations[1],
    top: w.pads[0], left: w.pads[1], bottom: w.pads[2], right: w.pads[3],
  };
}

const lowerPool = (shaderOf: (op: Operation) => string, start: number): Lower => (query, op) => {
  if (op.node.outputs[1] || input(op, 0).type !== 'float32') return undefined;
  const length = outSize(query, op), shader = shaderOf(op), job = { length, ...windowJob(poolGeometry(op)), start };
  return { kernel: shader, build: (place) => lone(query, { shader, job, operands: inOut(place, op), invocations: length }) };
};

/** A depthwise convolution: every filter reads one plane of the image. */
export const lowerDepthwise: Lower = (query: Query, op) => {
  const w = convGeometry(op), { min, max } = clampOf(op), slides = w.strides[1] === 1 && w.dilations[1] === 1;
  const shader = slides ? 'f32_depthwise_slide' : 'f32_depthwise';
  const length = w.batch * w.filters * w.out[0] * Math.ceil(w.out[1] / variants[shader].sizes.SPAN);
  const job = {
    length, ...windowJob(w), multiplier: w.filters / w.inputs, filters: w.filters,
    has_bias: op.inputs[2] ? 1 : 0, has_residual: op.inputs[3] ? 1 : 0, lo: min, hi: max,
  };
  const build = (place: Place) => {
    const [x, y] = inOut(place, op);
    const optional = (i: number): GPUBufferBinding =>
      (op.inputs[i] ? place.value(op.node.inputs[i]) : place.upload('nothing', () => new Float32Array(4)));
    const operands = [x, place.value(op.node.inputs[1]), optional(2), optional(3), y];
    return lone(query, { shader, job, operands, invocations: length });
  };
  return { kernel: shader, build };
};

export const windows: Readonly<Record<string, Lower>> = {
  MaxPool: lowerPool(() => 'f32_max_pool', -Infinity),
  AveragePool: lowerPool((op) => (num(op, 'count_include_pad', 0) ? 'f32_padded_mean_pool' : 'f32_mean_pool'), 0),
};
