import dev from '$fresh/dev.ts';
