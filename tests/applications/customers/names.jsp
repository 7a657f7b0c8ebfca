<%@ page contentType="text/plain; charset=UTF-8" session="false" %>Durand, Martin, Petit, Moreau
