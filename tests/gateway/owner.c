/* Owns a gateway until it is killed: <directory> <port> <fallback port> <backend port>. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/haproxy/haproxy.h"

int main(int argc, char **argv)
{
	struct log log = { 2, LOG_LEVEL_ERROR, false };
	struct env env = env_system(&log);
	struct gateway *gateway;
	ERR_AUTO(err);

	if (argc != 5)
		return 1;
	struct haproxy_options options = { .env = &env,
					   .program = "haproxy",
					   .directory = argv[1],
					   .listen = "127.0.0.1",
					   .port = (uint16_t)strtol(argv[2], NULL, 10),
					   .domain = "localhost",
					   .fallback_address = "127.0.0.1",
					   .fallback_port = (uint16_t)strtol(argv[3], NULL, 10) };
	struct gateway_target target = { "pod-a", "127.0.0.1",
					 (uint16_t)strtol(argv[4], NULL, 10) };
	struct gateway_service service = { "aaaa0001", &target, 1, 5 };
	if (haproxy_gateway_new(&options, &gateway, &err) < 0 ||
	    gateway_sync(gateway, &service, 1, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	for (;;)
		(void)pause();
}
