/* The contract of engine.h as test cases: every engine's world runs the same ones. A case speaks to
 * the engine through engine.h only; what the world itself must show or suffer comes in here. */
#ifndef DURE_TESTS_ENGINE_CONTRACT_H
#define DURE_TESTS_ENGINE_CONTRACT_H

#include "engine/engine.h"

struct world {
	const char *image;         /* has pod.c as its command */
	const char *missing_image; /* a registry answers, but does not have it */
	/* A new engine over the same world. */
	struct engine *(*engine)(const char *instance);
	/* Objects of the instance that are left: containers and networks. */
	int (*left)(const char *instance);
	/* GET / of the pod; true with the body in `out`. */
	bool (*get)(const char *address, int port, char *out, size_t size);
	/* NULL where the world cannot suffer it. */
	void (*restart)(void);           /* the daemon, killing what it likes */
	void (*remove)(const char *pod); /* behind the engine's back */
	void (*inspect)(const char *pod, char *out, size_t size); /* all of it, as JSON */
};

int contract_run(const struct world *world);

#endif
