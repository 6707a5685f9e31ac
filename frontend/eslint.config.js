import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "dist-host", "node_modules", "src/api/schema.d.ts", "test-results"] },
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
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Nothing that comes from elsewhere becomes markup." },
        { property: "outerHTML", message: "Nothing that comes from elsewhere becomes markup." },
      ],
    },
  },
  {
    // The panel loads on every issue view: what weighs more than it does is for the other pages.
    files: ["src/panel/**", "src/ui/**", "src/host/**", "src/main.tsx"],
    rules: { "no-restricted-imports": ["error", { patterns: ["@zag-js/*", "@tanstack/*"] }] },
  },
);
