use super::{Pasted, image, plain, request};
use crate::oci::reference::ImageReference;

fn shown(Pasted { image, platform, .. }: &Pasted) -> String {
    platform.as_ref().map_or_else(|| image.to_string(), |platform| format!("{image} | {platform}"))
}

/// What `text` is read as: the image spelled out, and its platform; the reference's sentence where there is one.
fn read(text: &str) -> Result<String, String> {
    image(text).map(|read| shown(&read))
}

/// What is pasted, after the shapes that people were seen to paste, and the image that it means.
const SHAPES: &[(&str, &str)] = &[
    // Names as they are.
    ("nginx", "docker.io/library/nginx:latest"),
    ("nginx:1.27", "docker.io/library/nginx:1.27"),
    (" nginx:1.27 ", "docker.io/library/nginx:1.27"),
    ("bitnami/redis:7.2", "docker.io/bitnami/redis:7.2"),
    ("gcr.io/distroless/static:nonroot", "gcr.io/distroless/static:nonroot"),
    ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
    ("localhost:5000/app", "localhost:5000/app:latest"),
    ("image:1.27", "docker.io/library/image:1.27"),
    ("source:latest", "docker.io/library/source:latest"),
    // Commands.
    ("docker pull nginx:1.27", "docker.io/library/nginx:1.27"),
    ("docker pull  nginx:1.27", "docker.io/library/nginx:1.27"),
    ("$ docker pull quay.io/prometheus/prometheus:v3.0.0", "quay.io/prometheus/prometheus:v3.0.0"),
    ("sudo docker pull nginx", "docker.io/library/nginx:latest"),
    ("$ sudo docker pull nginx", "docker.io/library/nginx:latest"),
    ("docker image pull nginx:1.27", "docker.io/library/nginx:1.27"),
    ("Docker pull nginx", "docker.io/library/nginx:latest"),
    ("podman pull docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20"),
    ("nerdctl pull alpine:3.20", "docker.io/library/alpine:3.20"),
    ("crictl pull registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
    ("ctr images pull docker.io/library/redis:7", "docker.io/library/redis:7"),
    ("ctr image pull docker.io/library/redis:7", "docker.io/library/redis:7"),
    ("ctr i pull docker.io/library/redis:7", "docker.io/library/redis:7"),
    ("ctr -n k8s.io images pull docker.io/library/redis:7", "docker.io/library/redis:7"),
    ("docker pull -q nginx:1.27", "docker.io/library/nginx:1.27"),
    ("docker pull --platform=linux/arm64 nginx:1.27", "docker.io/library/nginx:1.27 | linux/arm64"),
    ("docker pull --platform linux/arm64 nginx:1.27", "docker.io/library/nginx:1.27 | linux/arm64"),
    ("docker pull nginx:1.27 --platform linux/arm64", "docker.io/library/nginx:1.27 | linux/arm64"),
    // A container that is started.
    ("docker run nginx", "docker.io/library/nginx:latest"),
    ("docker run --rm -it nginx:1.27 sh", "docker.io/library/nginx:1.27"),
    ("docker run -d nginx:1.27 sh", "docker.io/library/nginx:1.27"),
    ("$ sudo docker run -dit --name web -p 80:80 -p8080:81 nginx:1.27", "docker.io/library/nginx:1.27"),
    ("docker run -itv $PWD:/w -w /w --entrypoint=sh golang:1.23 -c ls", "docker.io/library/golang:1.23"),
    ("docker run --env A=b -e \"C=d\" --restart=always redis:7 --save 60 1", "docker.io/library/redis:7"),
    ("docker run --platform linux/arm64 --rm=true x/y:1", "docker.io/x/y:1 | linux/arm64"),
    ("podman run --tls-verify=false --platform=linux/arm64 quay.io/a/b:1", "quay.io/a/b:1 | linux/arm64"),
    (
        "docker container run --gpus all nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04",
        "nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04",
    ),
    ("nerdctl create nginx:1.27", "docker.io/library/nginx:1.27"),
    // Instructions and keys.
    ("FROM nginx:1.27", "docker.io/library/nginx:1.27"),
    ("from nginx:1.27", "docker.io/library/nginx:1.27"),
    ("FROM nginx:1.27 AS build", "docker.io/library/nginx:1.27"),
    ("FROM golang:1.23-alpine as builder", "docker.io/library/golang:1.23-alpine"),
    ("FROM --platform=linux/arm64 x/y", "docker.io/x/y:latest | linux/arm64"),
    ("FROM --platform=linux/arm64 x/y AS z", "docker.io/x/y:latest | linux/arm64"),
    ("FROM --platform=$BUILDPLATFORM golang:1.23 AS build", "docker.io/library/golang:1.23"),
    ("image: nginx:1.27", "docker.io/library/nginx:1.27"),
    ("  image: nginx:1.27", "docker.io/library/nginx:1.27"),
    ("- image: nginx:1.27", "docker.io/library/nginx:1.27"),
    ("Image: nginx:1.27", "docker.io/library/nginx:1.27"),
    ("image: \"nginx:1.27\"", "docker.io/library/nginx:1.27"),
    ("image: 'ghcr.io/a/b:1'", "ghcr.io/a/b:1"),
    ("\"image\": \"nginx:1.27\",", "docker.io/library/nginx:1.27"),
    ("image = \"nginx:1.27\"", "docker.io/library/nginx:1.27"),
    ("image:nginx:1.27", "docker.io/library/nginx:1.27"),
    ("image:ghcr.io/a/b", "ghcr.io/a/b:latest"),
    ("container: node:22", "docker.io/library/node:22"),
    ("source: alpine:3.20", "docker.io/library/alpine:3.20"),
    ("镜像：nginx:1.27", "docker.io/library/nginx:1.27"),
    ("镜像: nginx:1.27", "docker.io/library/nginx:1.27"),
    ("镜像名称：gcr.io/a/b：1.0", "gcr.io/a/b:1.0"),
    // Marks of lists, quotations and code.
    ("- nginx:1.27", "docker.io/library/nginx:1.27"),
    ("* nginx:1.27", "docker.io/library/nginx:1.27"),
    ("+ nginx:1.27", "docker.io/library/nginx:1.27"),
    ("• nginx:1.27", "docker.io/library/nginx:1.27"),
    ("· nginx:1.27", "docker.io/library/nginx:1.27"),
    ("1. nginx:1.27", "docker.io/library/nginx:1.27"),
    ("12) nginx:1.27", "docker.io/library/nginx:1.27"),
    ("- [ ] nginx:1.27", "docker.io/library/nginx:1.27"),
    ("- [x] `nginx:1.27`", "docker.io/library/nginx:1.27"),
    ("> nginx:1.27", "docker.io/library/nginx:1.27"),
    ("`nginx:1.27`", "docker.io/library/nginx:1.27"),
    ("```nginx:1.27```", "docker.io/library/nginx:1.27"),
    ("**nginx:1.27**", "docker.io/library/nginx:1.27"),
    ("\"nginx:1.27\",", "docker.io/library/nginx:1.27"),
    ("'nginx:1.27'", "docker.io/library/nginx:1.27"),
    ("nginx:1.27,", "docker.io/library/nginx:1.27"),
    ("nginx:1.27;", "docker.io/library/nginx:1.27"),
    ("- nginx:1.27.", "docker.io/library/nginx:1.27"),
    ("- \"nginx:1.27\",", "docker.io/library/nginx:1.27"),
    ("[PORTER]gcr.io/google-samples/hello-app:1.0", "gcr.io/google-samples/hello-app:1.0"),
    ("[porter] registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
    // Full-width and typographic characters, and those that nobody sees.
    ("nginx：1.27", "docker.io/library/nginx:1.27"),
    ("ｎｇｉｎｘ:1.27", "docker.io/library/nginx:1.27"),
    ("gcr.io／distroless／static：latest", "gcr.io/distroless/static:latest"),
    ("“nginx:1.27”", "docker.io/library/nginx:1.27"),
    ("‘nginx:1.27’", "docker.io/library/nginx:1.27"),
    ("「nginx:1.27」", "docker.io/library/nginx:1.27"),
    ("「nginx:1.27」。", "docker.io/library/nginx:1.27"),
    ("nginx:1.27，", "docker.io/library/nginx:1.27"),
    ("\u{feff}nginx:1.27", "docker.io/library/nginx:1.27"),
    ("nginx:1.27\u{a0}", "docker.io/library/nginx:1.27"),
    ("docker\u{a0}pull\u{3000}nginx:1.27", "docker.io/library/nginx:1.27"),
    ("nginx\u{200b}:1.27", "docker.io/library/nginx:1.27"),
    ("\u{202e}nginx:1.27\u{202c}", "docker.io/library/nginx:1.27"),
    ("nginx:1‑alpine", "docker.io/library/nginx:1-alpine"),
    // Platforms.
    ("--platform=linux/arm64 x/y", "docker.io/x/y:latest | linux/arm64"),
    ("--platform linux/arm64 x/y:1", "docker.io/x/y:1 | linux/arm64"),
    ("x/y:1 --platform=linux/arm/v7", "docker.io/x/y:1 | linux/arm/v7"),
    ("x/y:1 --platform linux/arm64", "docker.io/x/y:1 | linux/arm64"),
    ("nginx:1.27|linux/arm64", "docker.io/library/nginx:1.27 | linux/arm64"),
    ("[PORTER]gcr.io/a/b:1|linux/arm64", "gcr.io/a/b:1 | linux/arm64"),
    ("nginx:1.27 | linux/arm64", "docker.io/library/nginx:1.27 | linux/arm64"),
    // Schemes and web addresses.
    ("docker://nginx:1.27", "docker.io/library/nginx:1.27"),
    ("uses: docker://alpine:3.20", "docker.io/library/alpine:3.20"),
    ("oci://ghcr.io/a/chart:1.0.0", "ghcr.io/a/chart:1.0.0"),
    ("helm-chart: oci://ghcr.io/a/chart", "ghcr.io/a/chart:latest"),
    ("docker-image://docker.io/library/alpine", "docker.io/library/alpine:latest"),
    ("https://hub.docker.com/_/nginx", "docker.io/library/nginx:latest"),
    ("https://hub.docker.com/_/nginx/", "docker.io/library/nginx:latest"),
    ("https://hub.docker.com/_/nginx/tags", "docker.io/library/nginx:latest"),
    ("hub.docker.com/_/nginx", "docker.io/library/nginx:latest"),
    ("https://hub.docker.com/r/library/nginx", "docker.io/library/nginx:latest"),
    ("https://hub.docker.com/r/bitnami/redis", "docker.io/bitnami/redis:latest"),
    ("https://hub.docker.com/r/bitnami/redis/tags?page=1&name=7", "docker.io/bitnami/redis:latest"),
    ("https://hub.docker.com/layers/library/nginx/1.27/images/sha256-00", "docker.io/library/nginx:1.27"),
    ("https://hub.docker.com/repository/docker/octo/app/general", "docker.io/octo/app:latest"),
    ("hub.docker.com/r/grafana/grafana", "docker.io/grafana/grafana:latest"),
    ("registry.hub.docker.com/library/nginx", "docker.io/library/nginx:latest"),
    ("registry.hub.docker.com/grafana/grafana:11.0.0", "docker.io/grafana/grafana:11.0.0"),
    ("index.docker.io/library/nginx:1.27", "docker.io/library/nginx:1.27"),
    ("https://quay.io/repository/prometheus/node-exporter", "quay.io/prometheus/node-exporter:latest"),
    (
        "https://quay.io/repository/prometheus/node-exporter?tab=tags&tag=v1.8.2",
        "quay.io/prometheus/node-exporter:v1.8.2",
    ),
    ("https://quay.io/prometheus/node-exporter:v1.8.2", "quay.io/prometheus/node-exporter:v1.8.2"),
    ("https://github.com/octo/repo/pkgs/container/app", "ghcr.io/octo/app:latest"),
    ("https://github.com/Octo/repo/pkgs/container/app%2Fserver", "ghcr.io/octo/app/server:latest"),
    ("https://github.com/octo/repo/pkgs/container/app/123456?tag=v1.2.3", "ghcr.io/octo/app:v1.2.3"),
    ("https://github.com/orgs/octo/packages/container/package/app", "ghcr.io/octo/app:latest"),
    ("https://github.com/users/octo/packages/container/package/a%2Fb", "ghcr.io/octo/a/b:latest"),
    ("https://ghcr.io/octo/app:1", "ghcr.io/octo/app:1"),
    ("https://gcr.io/distroless/static", "gcr.io/distroless/static:latest"),
    ("https://registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
    ("https://europe-docker.pkg.dev/p/r/i:1", "europe-docker.pkg.dev/p/r/i:1"),
    ("https://asia.gcr.io/p/i:1", "asia.gcr.io/p/i:1"),
    ("https://gallery.ecr.aws/docker/library/alpine", "public.ecr.aws/docker/library/alpine:latest"),
    ("https://mcr.microsoft.com/en-us/artifact/mar/dotnet/runtime/tags", "mcr.microsoft.com/dotnet/runtime:latest"),
    ("https://mcr.microsoft.com/product/mar", "mcr.microsoft.com/product/mar:latest"),
    ("https://console.cloud.google.com/gcr/images/distroless/GLOBAL/static", "gcr.io/distroless/static:latest"),
    ("https://registry.hub.docker.com/r/bitnami/redis/tags", "docker.io/bitnami/redis:latest"),
    ("registry.hub.docker.com/r/bitnami/redis", "docker.io/bitnami/redis:latest"),
    ("https://registry.hub.docker.com/_/nginx", "docker.io/library/nginx:latest"),
    ("https://www.hub.docker.com/r/bitnami/redis", "docker.io/bitnami/redis:latest"),
    ("hub.docker.com/r/bitnami/redis:7.2", "docker.io/bitnami/redis:7.2"),
    ("https://hub.docker.com/_/nginx:1.27", "docker.io/library/nginx:1.27"),
    ("quay.io/repository/calico/node", "quay.io/calico/node:latest"),
    ("github.com/octo/repo/pkgs/container/app", "ghcr.io/octo/app:latest"),
    ("<https://quay.io/repository/calico/node>", "quay.io/calico/node:latest"),
    // What the projects that people fork were asked for.
    ("docker.io/nginx:1.27", "docker.io/library/nginx:1.27"),
    ("Docker.io/library/nginx:1.27", "docker.io/library/nginx:1.27"),
    (
        "registry.cn-hangzhou.aliyuncs.com/google_containers/pause:3.9",
        "registry.cn-hangzhou.aliyuncs.com/google_containers/pause:3.9",
    ),
    ("k8s.gcr.io/kube-apiserver:v1.23.0", "k8s.gcr.io/kube-apiserver:v1.23.0"),
    ("docker.elastic.co/elasticsearch/elasticsearch:8.15.0", "docker.elastic.co/elasticsearch/elasticsearch:8.15.0"),
    ("nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04", "nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04"),
    ("10.0.0.5:5000/app:1", "10.0.0.5:5000/app:1"),
    ("nginx:1.27 linux/arm64", "docker.io/library/nginx:1.27 | linux/arm64"),
    ("nginx:1.27 (stable)", "docker.io/library/nginx:1.27"),
    ("nginx:1.27（稳定版）", "docker.io/library/nginx:1.27"),
    ("ghcr.io/a/b:1.0.0。", "ghcr.io/a/b:1.0.0"),
    ("gcr。io/a/b：1。0", "gcr.io/a/b:1.0"),
    ("镜像地址：gcr.io/a/b:1", "gcr.io/a/b:1"),
    ("需要同步的镜像：nginx:1.27", "docker.io/library/nginx:1.27"),
    ("原镜像: quay.io/calico/node:v3.28.0", "quay.io/calico/node:v3.28.0"),
];

/// What has two meanings, or none: the sentence tells.
const REFUSED: &[(&str, &str)] = &[
    ("docker run", "has a space and more"),
    ("docker run -d", "has a space and more"),
    ("docker run --name", "has a space and more"),
    ("docker run --what nginx:1.27", "has a space and more"),
    ("docker run -x nginx:1.27", "has a space and more"),
    ("docker run - nginx", "has a space and more"),
    ("docker run -e \"A=b c\" nginx", "has a space and more"),
    ("docker run -e A='b c d' nginx", "has a space and more"),
    ("docker run -e A=$(id -u) nginx", "has a space and more"),
    ("docker run -e A=`id -u` nginx", "has a space and more"),
    ("docker run nginx && docker run redis", "has a space and more"),
    ("docker run --platform arm64 nginx", "`arm64` is not an OS/ARCH"),
    ("docker pull nginx redis", "has a space and more"),
    ("nginx redis", "has a space and more"),
    ("FROM scratch AS", "has a space and more"),
    ("nginx:1.27$mynginx:1", "has a `$`, by which another project renames images; write `nginx:1.27`"),
    ("debian:bullseye-slim:latest", "has two tags; write `debian:bullseye-slim` or `debian:latest`"),
    ("hub.docker.com/library/nginx", "Docker Hub's web site, which holds no images"),
    ("https://hub.docker.com/search?q=nginx", "Docker Hub's web site, which holds no images"),
    ("arm64", "is a platform, not an image"),
    ("linux/arm64", "is a platform, not an image"),
    ("https://example.com/a/b", "begins with `https://`"),
    ("ftp://ghcr.io/a/b", "begins with `ftp://`"),
    ("Nginx:1.27", "upper case"),
    ("ghcr.io/:latest", "repository"),
    ("$(id)", "is not an image reference"),
    ("`; rm -rf /`", "has a space and more"),
    ("${{ github.token }}", "has a space and more"),
    ("nginx:1.27|rm", "is not a tag"),
    ("image:", "not"),
    ("nginx|arm64", "is not an image reference"),
    ("--platform=arm64 nginx", "`arm64` is not an OS/ARCH"),
    ("docker pull --platform=armv8 nginx", "`armv8` is not an OS/ARCH"),
    ("skopeo copy docker://a/b:1 docker://c/d:1", "has a space and more"),
    ("版本：1.27", "is not an image reference"),
    // Letters that are others than they look.
    ("gһcr.io/acme/app", "has `һ` (U+04BB), which no name has"),
    ("dоcker.io/library/nginx", "has `о` (U+043E)"),
    ("nginх:1.27", "has `х` (U+0445)"),
    ("nginx:1.2７а", "has `а` (U+0430)"),
    ("ghcr.io/acme/арp", "has `а` (U+0430)"),
    ("𝐠hcr.io/a/b", "(U+1D420)"),
    ("ghcr.io/a/b:𝟏", "(U+1D7CF)"),
    ("ghcr.io/a/café", "has `é` (U+00E9)"),
    ("ghcr.io/a/cafe\u{301}", "(U+0301)"),
    ("ghcr․io/a/b", "(U+2024)"),
    ("ghcr.io∕a/b", "(U+2215)"),
];

#[test]
fn what_people_paste_is_read_as_the_one_image_that_it_means() {
    for (text, expected) in SHAPES {
        assert_eq!(read(text).as_deref(), Ok(*expected), "{text}");
    }
    assert!(SHAPES.len() + REFUSED.len() + REQUESTS.len() >= 200);
}

#[test]
fn what_has_two_meanings_is_not_guessed() {
    for (text, part) in REFUSED {
        let problem = read(text).expect_err(text);
        assert!(problem.contains(part), "{text}: {problem}");
    }
}

#[test]
fn what_is_written_as_an_image_is_not_said_to_be_read_as_one() {
    for text in ["nginx", " nginx:1.27 ", "nginx:1.27.", "oci:out:1", "OCI:“out”", "oci:a, b."] {
        let read = image(text).unwrap();
        assert!(!read.is_rewritten, "{text}");
        assert_eq!(read.image, ImageReference::parse(text).unwrap());
        assert_eq!(read.notice(), None);
    }
    for text in ["docker pull nginx", "nginx：1", "\"nginx\"", "x|linux/arm64", "https://hub.docker.com/_/nginx"] {
        let notice = image(text).unwrap().notice().unwrap();
        assert!(notice.contains("is read as `docker.io/library/"), "{notice}");
    }
    let notice = image("podman pull --creds=ann:hunter2 nginx").unwrap().notice().unwrap();
    assert!(!notice.contains("hunter2"), "{notice}");
}

/// Free text, and what is asked for in it: an image, or a part of the sentence about its line.
const REQUESTS: &[(&str, &[&str])] = &[
    ("nginx:1.27", &["docker.io/library/nginx:1.27"]),
    ("nginx:1.27\nredis:7\n", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("nginx:1.27, redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    (
        "nginx:1.27，redis:7、alpine",
        &["docker.io/library/nginx:1.27", "docker.io/library/redis:7", "docker.io/library/alpine:latest"],
    ),
    ("```\nnginx:1.27\n```", &["docker.io/library/nginx:1.27"]),
    ("```text\ndocker pull nginx:1.27\n```\n", &["docker.io/library/nginx:1.27"]),
    ("### Images\n\nnginx:1.27\n\n### Platform\n\n_No response_\n", &["docker.io/library/nginx:1.27"]),
    ("### Images\n\nnginx:1.27\n\n### Platform\n\nlinux/arm64\n", &["docker.io/library/nginx:1.27 | linux/arm64"]),
    ("### 镜像\n\nnginx:1.27\n\n### 平台（可选）\n\nlinux/arm64", &["docker.io/library/nginx:1.27 | linux/arm64"]),
    ("# nothing but a comment\n<!-- and this -->\n", &[]),
    ("", &[]),
    (
        "Please mirror gcr.io/distroless/static:latest and registry.k8s.io/pause:3.10, thanks!",
        &["gcr.io/distroless/static:latest", "registry.k8s.io/pause:3.10"],
    ),
    ("请同步 `gcr.io/distroless/static:latest`，谢谢", &["gcr.io/distroless/static:latest"]),
    ("see https://hub.docker.com/r/bitnami/redis please", &["docker.io/bitnami/redis:latest"]),
    ("Could you mirror the nginx image?", &["has a space and more"]),
    ("meet at 10:30 tomorrow", &["has a space and more"]),
    ("arm64", &["is a platform, not an image"]),
    ("linux/arm64", &["is a platform, not an image"]),
    ("armv8", &["is a platform, not an image"]),
    ("debian:bullseye-slim:latest", &["write `debian:bullseye-slim` or `debian:latest`"]),
    ("oci:/etc", &["is a directory"]),
    (r#"{ "hub-mirror": ["nginx:1.27", "gcr.io/a/b:1"] }"#, &["docker.io/library/nginx:1.27", "gcr.io/a/b:1"]),
    (
        r#"{ "platform": "linux/arm64", "hub-mirror": ["nginx:1.27",], }"#,
        &["docker.io/library/nginx:1.27 | linux/arm64"],
    ),
    ("```json\n[\"nginx:1.27\"]\n```", &["docker.io/library/nginx:1.27"]),
    (r#"{"image": "docker pull nginx", "other": "x y"}"#, &["docker.io/library/nginx:latest"]),
    ("- nginx:1.27\n- redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("[PORTER]gcr.io/a/b:1|linux/arm64", &["gcr.io/a/b:1 | linux/arm64"]),
    ("$(curl evil)\nnginx", &["has a space and more", "docker.io/library/nginx:latest"]),
    // Lists as they are numbered and parted in Chinese.
    ("1、nginx:1.27\n2、redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("一、nginx:1.27\n二、redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("（1）nginx:1.27\n(2) redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("1. nginx:1.27\n2. redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("gcr.io/a/b:1，gcr.io/c/d:2；gcr.io/e/f:3", &["gcr.io/a/b:1", "gcr.io/c/d:2", "gcr.io/e/f:3"]),
    ("gcr.io/a/b:1；gcr.io/c/d:2；", &["gcr.io/a/b:1", "gcr.io/c/d:2"]),
    ("求同步：quay.io/calico/node:v3.28.0", &["quay.io/calico/node:v3.28.0"]),
    ("请同步gcr.io/distroless/static:latest谢谢", &["gcr.io/distroless/static:latest"]),
    ("麻烦同步一下 registry.k8s.io/kube-apiserver:v1.30.0。谢谢大佬！", &["registry.k8s.io/kube-apiserver:v1.30.0"]),
    ("大佬，能不能同步下这两个：\nquay.io/a/b:1\nghcr.io/c/d:2", &["quay.io/a/b:1", "ghcr.io/c/d:2"]),
    (
        "### 要同步的镜像\n\n```text\nnginx:1.27\n```\n\n### 平台（可选）\n\n_No response_",
        &["docker.io/library/nginx:1.27"],
    ),
    (
        "### 要同步的镜像\n\n```text\nnginx:1.27\n\nredis:7\n```\n\n### 平台（可选）\n\nlinux/amd64",
        &["docker.io/library/nginx:1.27 | linux/amd64", "docker.io/library/redis:7 | linux/amd64"],
    ),
    ("nginx:1.27\n平台：linux/arm64", &["docker.io/library/nginx:1.27 | linux/arm64"]),
    ("platform: linux/arm64\nnginx:1.27", &["docker.io/library/nginx:1.27 | linux/arm64"]),
    ("nginx:1.27\n架构：arm64", &["docker.io/library/nginx:1.27", "架构"]),
    ("镜像：nginx：1.27 # 最新版", &["docker.io/library/nginx:1.27"]),
    // The formats of other projects.
    (
        "nginx:1.27 # the web server\n# redis:7\nalpine:3.20",
        &["docker.io/library/nginx:1.27", "docker.io/library/alpine:3.20"],
    ),
    (
        "--platform=linux/arm64 nginx:1.27\n--platform=linux/amd64 redis:7",
        &["docker.io/library/nginx:1.27 | linux/arm64", "docker.io/library/redis:7 | linux/amd64"],
    ),
    (
        "{\n  \"hub-mirror\": [\n    nginx:1.27,\n    redis:7\n  ]\n}",
        &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"],
    ),
    (r#"{ "platform": "armv8", "hub-mirror": ["nginx:1.27"] }"#, &["`armv8` is not an OS/ARCH"]),
    (r#"{ "platform": "", "hub-mirror": ["nginx:1.27"] }"#, &["docker.io/library/nginx:1.27"]),
    (r#"{ "hub-mirror": ["nginx:1.27$mynginx:1"] }"#, &["another project renames images"]),
    (
        r#"{ "hub-mirror": ["debian:bullseye-slim:latest", "registry.hub.docker.com/library/nginx"] }"#,
        &["has two tags", "docker.io/library/nginx:latest"],
    ),
    ("services:\n  web:\n    image: nginx:1.27", &["not", "not", "docker.io/library/nginx:1.27"]),
    (
        "FROM golang:1.23 AS build\nRUN go build ./...\nFROM gcr.io/distroless/static",
        &["docker.io/library/golang:1.23", "has a space and more", "gcr.io/distroless/static:latest"],
    ),
    ("docker pull nginx:1.27 && docker pull redis:7", &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"]),
    ("docker pull gcr.io/a/b:1; docker pull quay.io/c/d:2", &["gcr.io/a/b:1", "quay.io/c/d:2"]),
    ("```nginx:1.27```", &["docker.io/library/nginx:1.27"]),
    ("> quay.io/a/b:1\n> quay.io/c/d:1\n\nplease!", &["quay.io/a/b:1", "quay.io/c/d:1", "not"]),
    ("- [ ] quay.io/a/b:1\n- [x] quay.io/c/d:1", &["quay.io/a/b:1", "quay.io/c/d:1"]),
    ("I need quay.io/a/b:1.", &["quay.io/a/b:1"]),
    ("I need quay.io/a/b:1, and (gcr.io/c/d:2)!", &["quay.io/a/b:1", "gcr.io/c/d:2"]),
    // What looks like an image and is meant otherwise.
    ("docker tag gcr.io/a/b:1 quay.io/c/d:1", &["has a space and more"]),
    ("docker run -d gcr.io/a/b:1", &["gcr.io/a/b:1"]),
    (
        "docker run -d \\\n  --name web \\\n  -p 80:80 \\\n  nginx:1.27\nredis:7",
        &["docker.io/library/nginx:1.27", "docker.io/library/redis:7"],
    ),
    ("docker run a/b && docker run c/d", &["docker.io/a/b:latest", "docker.io/c/d:latest"]),
    ("docker run a/b; docker run c/d", &["docker.io/a/b:latest", "docker.io/c/d:latest"]),
    // A name is not what is left of it without a letter that only looks like one of its own.
    ("gһcr.io/acme/app", &["has `һ` (U+04BB)"]),
    ("please dоcker.io/library/nginx, thanks", &["has `о` (U+043E)"]),
    ("ghcr.io/acme/appа", &["has `а` (U+0430)"]),
    ("ghcr.io/acme/app:1а и quay.io/a/b", &["has `а` (U+0430)", "quay.io/a/b:latest"]),
    ("𝐠hcr.io/a/b", &["(U+1D420)"]),
    ("привет, дайте ghcr.io/a/b:1", &["ghcr.io/a/b:1"]),
    ("ghcr.io/a/b:1を同期してください", &["ghcr.io/a/b:1"]),
    ("①ghcr.io/a/b:1 ②quay.io/c/d:2", &["ghcr.io/a/b:1", "quay.io/c/d:2"]),
    ("→ ghcr.io/a/b:1…", &["ghcr.io/a/b:1"]),
    // What nobody sees is not asked for.
    ("<!-- ghcr.io/evil/a -->\nnginx", &["docker.io/library/nginx:latest"]),
    ("<!--\nghcr.io/evil/a\n-->\nnginx <!-- quay.io/evil/b -->", &["docker.io/library/nginx:latest"]),
    ("nginx\n<!-- ghcr.io/evil/a\nquay.io/evil/b", &["docker.io/library/nginx:latest"]),
    ("<!--\n```\n-->\n<!-- ghcr.io/evil/a -->\nnginx", &["docker.io/library/nginx:latest"]),
    ("```\nghcr.io/a/b <!--\nnginx\n```", &["ghcr.io/a/b:latest", "docker.io/library/nginx:latest"]),
    ("helm pull oci://ghcr.io/a/chart --version 1.2.3", &["has a space and more"]),
    ("skopeo copy docker://gcr.io/a/b:1 docker://quay.io/c/d:1", &["has a space and more"]),
    ("nginx:1.27 => ghcr.io/acme/nginx", &["has `=>`: where an image goes"]),
    ("quay.io/a/b:1 -> c/d", &["has `->`: where an image goes"]),
    ("on ubuntu 24.04/22.04 it fails", &["has a space and more"]),
    ("see https://github.com/a/b/issues/1 and quay.io/a/b:1", &["github.com", "quay.io/a/b:1"]),
];

/// What was wrong with these sentences once: each is read, or told what it is.
#[test]
fn no_advice_leads_in_a_circle() {
    for (text, expected) in [
        ("https://hub.docker.com/r/library/nginx", "docker.io/library/nginx:latest"),
        ("hub.docker.com/_/nginx", "docker.io/library/nginx:latest"),
        ("registry.hub.docker.com/library/nginx", "docker.io/library/nginx:latest"),
        ("docker pull nginx:1.27", "docker.io/library/nginx:1.27"),
        ("image: nginx:1.27", "docker.io/library/nginx:1.27"),
        ("FROM nginx:1.27 AS build", "docker.io/library/nginx:1.27"),
        ("--platform=linux/arm64 x/y", "docker.io/x/y:latest | linux/arm64"),
        ("\"nginx:1.27\",", "docker.io/library/nginx:1.27"),
        ("[PORTER]gcr.io/a/b:1", "gcr.io/a/b:1"),
        ("nginx:1.27|linux/arm64", "docker.io/library/nginx:1.27 | linux/arm64"),
        ("docker://x", "docker.io/library/x:latest"),
        ("oci://x", "docker.io/library/x:latest"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
    // What is advised is read as it is advised.
    for text in ["debian:bullseye-slim:latest", "nginx:1.27$mynginx:1", "ghcr.io/:latest", "nginx:1.27|rm"] {
        let problem = read(text).unwrap_err();
        let advised = problem.split_once("write ").map_or("", |(_, advice)| advice);
        for word in advised
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.contains(['.', ':']) && !word.contains(char::is_uppercase))
        {
            assert!(read(word).is_ok(), "{text}: {problem}: {word}: {:?}", read(word));
        }
    }
}

#[test]
fn a_request_in_free_text_is_read_line_by_line_and_no_line_spoils_another() {
    for (text, expected) in REQUESTS {
        let asked = request(text, 100);
        let read: Vec<String> = asked
            .iter()
            .map(|asked| match &asked.read {
                Ok(read) => shown(read),
                Err(problem) => problem.clone(),
            })
            .collect();
        assert_eq!(read.len(), expected.len(), "{text}: {read:?}");
        for (read, expected) in read.iter().zip(*expected) {
            assert!(read.contains(expected), "{text}: {read}");
        }
    }
}

#[test]
fn plain_text_stays_as_it_is() {
    let text = "docker.io/library/nginx:1.27@sha256:00 => a/b # x, y; z | \"q\" `c`";
    assert_eq!(plain(text), text);
}

#[test]
fn lines_are_counted_as_whoever_fills_in_the_form_counts_them() {
    let form = "### Images to mirror\n\n```text\nnginx\n\nhello there\n```\n\n### Platform\n\n_No response_\n";
    let numbers = |text: &str| request(text, 100).iter().map(|asked| asked.number).collect::<Vec<_>>();
    assert_eq!(numbers(form), [1, 3]);
    assert_eq!(numbers("### 要同步的镜像\n\nnginx\nredis"), [1, 2]);
    assert_eq!(numbers("nginx\n\nredis"), [1, 3]);
    assert_eq!(numbers("docker run \\\n -d \\\n nginx\nredis"), [1, 4]);
    assert_eq!(numbers("<!--\n\n-->\nredis"), [4]);
    // What is said of all of them is read however many there are.
    let many = request(&("nginx\n".repeat(50_000) + "platform: linux/arm64"), 3);
    assert_eq!(many.len(), 3);
    assert!(many.iter().all(|asked| asked.read.as_ref().is_ok_and(|read| read.platform.is_some())), "{many:?}");
}
