import {
  byte, bytes, type Decoded, floats, int, ints, late, longs, table, tables, text, ubyte, ubytes, uint, ulong, ushorts,
} from './flat.ts';
import type { DType } from '../../tensor.ts';

// The tables of TensorFlow's schema.fbs (version 3) that are read, each field as [id, type]. A union takes two ids: its kind, its table.

const dimension = {
  format: [0, byte()], denseSize: [1, int()],
  segmentsKind: [2, ubyte()], segments: [3, late],
  indicesKind: [4, ubyte()], indices: [5, late],
} as const;
const sparsity = { traversalOrder: [0, ints], blockMap: [1, ints], dimensions: [2, tables(dimension)] } as const;
const quantization = { scale: [2, floats], zeroPoint: [3, longs], axis: [6, int()] } as const;
const tensor = {
  shape: [0, ints], type: [1, byte()], buffer: [2, uint()], name: [3, text], quantization: [4, table(quantization)],
  sparsity: [6, table(sparsity)], signature: [7, ints],
} as const;
const operator = { code: [0, uint()], inputs: [1, ints], outputs: [2, ints], options: [4, late], custom: [5, bytes] } as const;
const subgraph = {
  tensors: [0, tables(tensor)], inputs: [1, ints], outputs: [2, ints], operators: [3, tables(operator)], name: [4, text],
} as const;
const operatorCode = { deprecated: [0, byte()], custom: [1, text], builtin: [3, int()] } as const;
const buffer = { data: [0, bytes], offset: [1, ulong], size: [2, ulong] } as const;
export const model = {
  version: [0, uint()], operatorCodes: [1, tables(operatorCode)], subgraphs: [2, tables(subgraph)], buffers: [4, tables(buffer)],
} as const;

export type Model = Decoded<typeof model>;
export type FileTensor = Decoded<typeof tensor>;
export type FileOperator = Decoded<typeof operator>;
export type FileOperatorCode = Decoded<typeof operatorCode>;
export type FileSparsity = Decoded<typeof sparsity>;
export type FileSubgraph = Decoded<typeof subgraph>;

/** The vectors of the union SparseIndexVector, by kind. */
export const indexVectors: Readonly<Record<number, { readonly values: readonly [0, typeof ints] }>> = {
  1: { values: [0, ints] }, 2: { values: [0, ushorts] }, 3: { values: [0, ubytes] },
};

/** Element types by number; `type` is what the data becomes here (float16 is widened). */
export const tensorTypes: Readonly<Record<number, { readonly name: string; readonly type?: DType }>> = {
  0: { name: 'float32', type: 'float32' }, 1: { name: 'float16', type: 'float32' }, 2: { name: 'int32', type: 'int32' },
  3: { name: 'uint8', type: 'uint8' }, 4: { name: 'int64', type: 'int64' }, 5: { name: 'string' }, 6: { name: 'bool', type: 'bool' },
  7: { name: 'int16', type: 'int16' }, 8: { name: 'complex64' }, 9: { name: 'int8', type: 'int8' },
  10: { name: 'float64', type: 'float64' },
  11: { name: 'complex128' }, 12: { name: 'uint64', type: 'uint64' }, 13: { name: 'resource' }, 14: { name: 'variant' },
  15: { name: 'uint32', type: 'uint32' }, 16: { name: 'uint16', type: 'uint16' }, 17: { name: 'int4' },
};

/** BuiltinOperator 0 to 157, in order: the names errors use, and the keys of the operator table. */
export const operatorNames = `ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL
RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM
EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE
EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND
LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE
MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT
HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE
RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN`.split(/\s+/);

/** Above this old code the real one stands in `builtin_code` (schema version 3a). */
export const placeholderCode = 127;
