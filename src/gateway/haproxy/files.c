#include "gateway/haproxy/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static const char error_page[] =
	"<!doctype html><html lang=\"ko\"><meta charset=\"utf-8\"><title>Dure</title>\n"
	"<h1>서비스가 응답하지 않습니다</h1>\n"
	"<p>요청을 받을 파드에 연결할 수 없거나 응답이 없습니다. 잠시 후 다시 시도하십시오.</p>\n"
	"<p lang=\"en\">No pod of this service answered. Try again in a moment.</p>\n";

static const int error_statuses[] = { 400, 403, 408, 413, 425, 429, 500, 501, 502, 503, 504 };

static int write_whole(const char *directory, const char *name, const struct buf *content,
		       struct err *err)
{
	char path[512], fresh[512];

	if (content->failed)
		return err_set(err, ERR_UNAVAILABLE, "the gateway's %s is too large", name);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	(void)snprintf(fresh, sizeof(fresh), "%s/%s.new", directory, name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot write %s", fresh);
	size_t done = 0;
	while (done < content->length) {
		ssize_t written = write(fd, content->data + done, content->length - done);
		if (written < 0 && errno != EINTR) {
			err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot write %s", fresh);
			(void)close(fd);
			return -1;
		}
		done += written > 0 ? (size_t)written : 0;
	}
	(void)close(fd);
	if (rename(fresh, path) < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot replace %s", path);
	return 0;
}

static void put_global(struct buf *out, const struct files *files, const char *node)
{
	buf_puts(out, "# Written by Dure; changes are lost.\nglobal\n");
	buf_printf(out, "\tnode %s\n", node);
	/* A connection costs two descriptors; a fifth is for checks, idle connections and sockets.
	 */
	buf_printf(out, "\tulimit-n %u\n\tmaxconn %u\n", files->descriptors,
		   (files->descriptors - files->descriptors / 5) / 2);
	buf_printf(out, "\tstats socket %s/stats.sock mode 600 level admin expose-fd listeners\n",
		   files->directory);
	buf_puts(out, "\tstats timeout 10s\n\thard-stop-after 1h\n\tspread-checks 5\n");
	if (files->drop_root)
		buf_puts(out, "\tuser haproxy\n\tgroup haproxy\n");
}

static void put_defaults(struct buf *out, const struct files *files)
{
	buf_puts(out, "defaults\n"
		      "\tmode http\n"
		      "\tbalance leastconn\n"
		      "\ttimeout connect 5s\n"
		      "\ttimeout client 1h\n"
		      "\ttimeout server 1h\n"
		      "\ttimeout queue 5s\n"
		      "\ttimeout http-request 15s\n"
		      "\ttimeout http-keep-alive 60s\n"
		      "\tretries 3\n"
		      "\tretry-on conn-failure\n"
		      "\toption redispatch 1\n"
		      "\toption http-ignore-probes\n"
		      "\thttp-reuse safe\n");
	for (size_t i = 0; i < sizeof(error_statuses) / sizeof(error_statuses[0]); i++)
		buf_printf(out,
			   "\thttp-error status %d content-type \"text/html; charset=utf-8\" file "
			   "%s/error.html hdr X-Dure-Error gateway-%d\n",
			   error_statuses[i], files->directory, error_statuses[i]);
}

static void put_front(struct buf *out, const struct files *files)
{
	bool v6 = strchr(files->listen, ':');

	buf_printf(out, "frontend dure\n\tbind %s%s%s:%u\n", v6 ? "[" : "", files->listen,
		   v6 ? "]" : "", files->port);
	buf_puts(out, "\thttp-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)\n");
	buf_printf(out, "\thttp-request set-var(txn.be) var(txn.host),map_str(%s/hosts.map)\n",
		   files->directory);
	buf_puts(out, "\thttp-request set-header X-Forwarded-For %[src]\n"
		      "\thttp-request set-header X-Forwarded-Proto http\n"
		      "\tuse_backend %[var(txn.be)] if { var(txn.be) -m found } "
		      "{ var(txn.be),nbsrv gt 0 }\n"
		      "\tdefault_backend dure_fallback\n");
	/* The page of a service without pods comes from Dure itself. What the visitor of a service
	 * sends (credentials above all) is not for Dure's API. */
	v6 = strchr(files->fallback_address, ':');
	buf_puts(out,
		 "backend dure_fallback\n"
		 "\thttp-request return status 503 content-type text/plain string "
		 "\"This service has no pod that can answer.\\n\" hdr X-Dure-Error not-available "
		 "unless { method GET HEAD }\n"
		 "\thttp-request del-header Cookie\n"
		 "\thttp-request del-header Authorization\n"
		 "\thttp-request set-header X-Dure-Service-Host %[var(txn.host)]\n"
		 "\thttp-request set-uri /_service\n"
		 "\thttp-response set-header X-Dure-Error not-available unless "
		 "{ res.hdr(X-Dure-Error) -m found }\n"
		 "\ttimeout server 10s\n");
	buf_printf(out, "\tserver dure %s%s%s:%u maxconn 64\n", v6 ? "[" : "",
		   files->fallback_address, v6 ? "]" : "", files->fallback_port);
}

static void put_service(struct buf *out, const struct service *service)
{
	for (size_t i = 0; i < service->count; i++) {
		const struct server *server = &service->servers[i];
		bool v6 = strchr(server->address, ':');
		buf_printf(out, "\tserver %s %s%s%s:%u " GATEWAY_SERVER_SETTINGS "%s\n",
			   server->pod, v6 ? "[" : "", server->address, v6 ? "]" : "", server->port,
			   server->state == SERVER_UP ? "" : " disabled");
	}
}

int files_write(const struct files *files, struct table *table, const char *node, struct err *err)
{
	BUF_AUTO config = BUF_INIT(LIMIT_GATEWAY_FILE_BYTES);
	BUF_AUTO map = BUF_INIT(LIMIT_GATEWAY_FILE_BYTES);
	BUF_AUTO page = BUF_INIT(LIMIT_GATEWAY_FILE_BYTES);

	put_global(&config, files, node);
	put_defaults(&config, files);
	put_front(&config, files);
	buf_puts(&map, "");
	for (unsigned i = 0; i < table->n_slots; i++) {
		struct service *service = table->slots[i];
		/* Only the gateway says that the gateway failed. */
		buf_printf(&config, "backend s%04u\n\thttp-response del-header X-Dure-Error\n",
			   i + 1);
		if (!service)
			continue;
		put_service(&config, service);
		buf_printf(&map, "%s.%s s%04u\n", service->host, files->domain, service->slot);
	}
	buf_puts(&page, error_page);
	if (write_whole(files->directory, "error.html", &page, err) < 0 ||
	    write_whole(files->directory, "hosts.map", &map, err) < 0 ||
	    write_whole(files->directory, "haproxy.cfg", &config, err) < 0)
		return -1;
	for (unsigned i = 0; i < table->n_slots; i++)
		if (table->slots[i])
			table->slots[i]->mapped = true;
	return 0;
}
