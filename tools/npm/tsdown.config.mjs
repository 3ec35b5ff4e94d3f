/** How tsdown builds the npm package of the client library into the folder .npm. */
export default {
  entry: {
    index: "lib/client/kv_client.ts",
    recipes: "lib/client/recipes.ts",
  },
  outDir: ".npm/dist",
  format: "esm",
  platform: "node",
  target: "es2022",
  tsconfig: "tools/npm/tsconfig.json",
  sourcemap: true,
  dts: { sourcemap: false },
  // Names stay, so that errors and stacks can be read.
  minify: { compress: true, mangle: false, codegen: true },
  clean: true,
};
