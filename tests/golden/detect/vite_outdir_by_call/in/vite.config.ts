import { defineConfig } from "vite";
import path from "path";
export default defineConfig({ build: { outDir: path.resolve(import.meta.dirname, "dist/public"), emptyOutDir: true } });
