export { createProducts, type MultiplyOptions, type Products, type UploadOptions } from './products.ts';
export type { Weight } from './weight.ts';
