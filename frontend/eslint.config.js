import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", "dist-host", "node_modules", "src/api/schema.d.ts", "test-results", "build/*.cjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } },
    },
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-console": "error",
      eqeqeq: "error",
      // Numbers in texts are what most texts are made of.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // By code points is what is meant.
      "@typescript-eslint/no-misused-spread": ["error", { allow: ["string"] }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Nothing that comes from elsewhere becomes markup." },
        { property: "outerHTML", message: "Nothing that comes from elsewhere becomes markup." },
      ],
    },
  },
  {
    // Tests of the browser name what they are given by `use`, which is no hook; what is built may speak.
    files: ["e2e/**", "build/**"],
    rules: { "react-hooks/rules-of-hooks": "off", "no-console": "off" },
  },
  {
    // The panel loads on every issue view: what weighs more than it does is for the other pages.
    files: ["src/panel/**", "src/ui/**", "src/host/**", "src/main.tsx"],
    rules: { "no-restricted-imports": ["error", { patterns: ["@zag-js/*", "@tanstack/*"] }] },
  },
);
