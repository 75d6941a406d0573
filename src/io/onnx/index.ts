export { readOnnx, type ReadOnnxOptions } from './read.ts';
export { writeOnnx, type WriteOnnxOptions } from './write.ts';
export { readTensorProto, writeTensorProto } from './tensor.ts';
